"""The least work for a password or PIN that a console starts with: what tests' own ones are kept with."""

from services.kit.auth.hashing import LEAST_MEMORY_KIB, LEAST_PASSES, Work

LEAST = Work(LEAST_MEMORY_KIB, LEAST_PASSES)
ENVIRONMENT = {
    "SPONDYL_HASH_MEMORY_KIB": str(LEAST_MEMORY_KIB),
    "SPONDYL_HASH_PASSES": str(LEAST_PASSES),
}
