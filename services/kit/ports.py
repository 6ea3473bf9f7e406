"""Ports of this machine that nothing listens on, kept from whoever else looks for one at the same moment.

A port is only free until somebody listens there: two systems that start in the same second would both find
the same ones. So a name goes with each port that was given out, in Linux's abstract namespace of local
sockets: it belongs to one process, ends with it, and counts within a network namespace, as ports do.
"""

import errno
import os
import random
import socket
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Final

FIRST: Final = 20_000  # of the ports that are given out
RANGE: Final = Path("/proc/sys/net/ipv4/ip_local_port_range")  # of outgoing connections
MOST_HELD: Final = 500  # of one process; the oldest are let go of: somebody listens there by now
# The file descriptor that keeps each port: it ends with the process.
_held: OrderedDict[int, int] = OrderedDict()


def is_free(host: str, port: int) -> bool:
    """True when a server could listen there now."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except (OSError, UnicodeError):  # taken, not ours, or no address at all
            return False
    return True


def reserve(port: int) -> bool:
    """Keep a port for this process; False when another keeps it. Elsewhere than on Linux always True."""
    if sys.platform != "linux" or port in _held:
        return True
    name = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    try:
        name.bind(f"\0spondyl/port/{port}")
    except OSError as error:
        name.close()
        return error.errno != errno.EADDRINUSE
    _held[port] = name.detach()
    if len(_held) > MOST_HELD:
        os.close(_held.popitem(last=False)[1])
    return True


def free_port(host: str = "127.0.0.1") -> int:
    """Any port that nothing listens on now, kept for this process.

    From below those that the kernel gives to outgoing connections: one of them, of any program, would hold
    the port for as long as it lives, and a service that starts a moment later could not listen.
    """
    quiet = range(FIRST, _first_of_connections())
    for port in random.sample(quiet, len(quiet)):
        if port not in _held and is_free(host, port) and reserve(port):
            return port
    while True:  # all of them are taken, or the kernel uses them for connections, too
        with socket.socket() as probe:
            probe.bind((host, 0))
            port = int(probe.getsockname()[1])
        if port not in _held and reserve(port):
            return port


def _first_of_connections() -> int:
    try:
        return max(FIRST, int(RANGE.read_text(encoding="ascii").split()[0]))
    except (OSError, ValueError, IndexError):
        return FIRST
