"""A service that breaks while it holds a password: what it answers, and on stderr what it logs."""

import asyncio
import json
import sys
from typing import Annotated, Any

from access import GUARD, header
from asgi_ask import ask
from fastapi import APIRouter, Body, Request

from services.kit import logging
from services.kit.auth.guard import public
from services.kit.http import create_app


def main() -> None:
    """Ask it once, with everything that must not be told."""
    logging.configure("faulty", "debug")
    router = APIRouter()

    @router.post("/break", dependencies=[public()])
    def broken(request: Request, body: Annotated[dict[str, Any], Body()]) -> None:
        password, headers = body["password"], dict(request.headers)
        if password and headers:
            raise RuntimeError("it broke")

    app = create_app("faulty", "0", routers=[router], guard=GUARD)
    sent = {"content-type": "application/json", "cookie": f"spondyl={sys.argv[1]}", **header()}
    body = json.dumps({"password": sys.argv[1]}).encode()
    answer = asyncio.run(ask(app, "POST", f"/break?token={sys.argv[1]}", sent, body))
    sys.stdout.write(f"{answer.status}\n{answer.text}\n")


if __name__ == "__main__":
    main()
