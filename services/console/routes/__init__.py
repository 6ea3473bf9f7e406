"""The console's routes, a module a room: `router(console)` makes its routes."""
