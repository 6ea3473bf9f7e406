"""The planner: pure functions from a `Problem` and a `Request` to appointments; no SQL, no HTTP."""
