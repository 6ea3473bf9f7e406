"""`python -m services.controller`: one gateway, as the environment describes it."""

from services.controller.gateway import main

main()
