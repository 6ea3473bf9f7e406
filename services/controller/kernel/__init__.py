"""Compiled control: numpy and numba only, no Python object, no allocation, no I/O but clock and bed link."""

from services.controller.kernel import cache as _cache

_cache.use()
