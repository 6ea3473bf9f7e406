"""The routes of telemetry's HTTP API, a module a noun; read only."""
