"""Mosquitto configurations: one machine, a clinic's own broker bridged to the centre, and the centre."""

from broker.acl import User
from broker.mosquitto.render import render_central, render_local, render_site

__all__ = ["User", "render_central", "render_local", "render_site"]
