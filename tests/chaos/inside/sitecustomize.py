"""Run by every Python process of a system under chaos, before its own code: places it in its world.

The publishing half of one site's gateway enters that site's network, and the control loop is kept out of the
stepped clock: its wall clock is stepped by the word it has for that.
"""

import ctypes
import os
import sys

_NEW_NETWORK = 0x40000000  # CLONE_NEWNET, sched.h
_module = sys.orig_argv[sys.orig_argv.index("-m") + 1] if "-m" in sys.orig_argv[:-1] else ""

if _module == "services.controller.loop" and os.environ.pop("LD_PRELOAD", None):
    os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606  (itself, without the library)

_network = os.environ.get("CHAOS_NETWORK", "")
if (
    _network
    and _module == "services.controller.recorder"
    and os.environ["SPONDYL_SITE"] == os.environ["CHAOS_SITE"]
):
    _libc = ctypes.CDLL(None, use_errno=True)
    with open(_network) as _file:  # noqa: PTH123  (pathlib costs every process of the system a millisecond)
        if _libc.setns(_file.fileno(), _NEW_NETWORK):
            sys.exit(f"cannot enter {_network}: {os.strerror(ctypes.get_errno())}")
