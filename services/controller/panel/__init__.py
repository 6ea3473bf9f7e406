"""The bedside page and its API, served by the gateway itself."""
