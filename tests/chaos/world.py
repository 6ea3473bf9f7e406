"""A small world of its own for one system: its own network, disks and shared memory.

The system runs in private mount and network namespaces; one site's gateway publishes from a further network
behind a pair of virtual Ethernet ports that can be pulled. Nothing of the machine is touched, and nothing has
to be put back: the kernel drops a namespace, its links and its mounts with the last process in it.
"""

import contextlib
import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

CENTRE = "10.77.0.1"  # where the broker and everything else of the system listens
UPLINK, SITE = "10.77.1.1", "10.77.1.2"  # the two ends of the site's line


class World:
    """The namespaces, held open by two sleeping processes; ``close`` ends them."""

    def __init__(self) -> None:
        self._holders = [self._hold([], ["--mount", "--net", *_as_root()])]
        try:
            self.run("mount", "-t", "tmpfs", "shared-memory", "/dev/shm")
            self.run("ip", "link", "set", "lo", "up")
            self.run("ip", "addr", "add", f"{CENTRE}/32", "dev", "lo")
            self._holders.append(self._hold(self.within, ["--net"]))
            self._lay_line(self._holders[1].pid)
        except BaseException:
            self.close()
            raise

    @staticmethod
    def impossible() -> str | None:
        """Why this machine cannot have one, None when it can."""
        try:
            World().close()
        except (OSError, subprocess.SubprocessError) as error:
            return str(getattr(error, "stderr", None) or error)
        return None

    @property
    def within(self) -> tuple[str, ...]:
        """What a command begins with to run in this world."""
        rights = () if os.getuid() == 0 else ("--user", "--preserve-credentials")
        return ("nsenter", "--target", str(self._holders[0].pid), *rights, "--mount", "--net", "--")

    @property
    def site_network(self) -> Path:
        """The network namespace of the site whose line can be cut."""
        return Path(f"/proc/{self._holders[1].pid}/ns/net")

    def path(self, path: Path) -> Path:
        """A path of this world as the test itself reaches it."""
        return Path(f"/proc/{self._holders[0].pid}/root") / path.relative_to("/")

    def mount_small_disk(self, directory: Path, megabytes: int) -> None:
        """A disk of its own for a directory."""
        directory.mkdir(parents=True, exist_ok=True)
        self.run("mount", "-t", "tmpfs", "-o", f"size={megabytes}m,mode=0700", "small-disk", str(directory))

    def fill_disk(self, directory: Path) -> Path:
        """Leave no byte free on a directory's disk; returns the file that took them all."""
        ballast = self.path(directory) / "ballast"
        with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
            for size in (2**20, 2**12, 1):  # ever smaller pieces, until not even a byte fits
                with contextlib.suppress(OSError):
                    while file.write(bytes(size)) == size:
                        pass
        return ballast

    def set_line(self, *, up: bool) -> None:
        """Pull the site's line or put it back."""
        self.run("ip", "link", "set", "uplink", "up" if up else "down")

    def run(self, *command: str) -> None:
        """One command in this world; CalledProcessError when it fails."""
        subprocess.run([*self.within, *command], check=True, capture_output=True, text=True)

    def close(self) -> None:
        """Let go; the namespaces end with the last process in them."""
        for holder in reversed(self._holders):
            holder.kill()
            holder.wait()

    @staticmethod
    def _hold(within: Sequence[str], namespaces: Sequence[str]) -> subprocess.Popen[str]:
        """A sleeping process in new namespaces, ended with the test process however that ends."""
        # Ctrl-C goes to everybody at the terminal: the world outlives it, or nothing in it could be ended.
        ready = ["sh", "-c", "trap '' INT; echo ready; exec sleep infinity"]
        command = ["setpriv", "--pdeathsig", "KILL", *within, "unshare", *namespaces, "--", *ready]
        holder = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        if holder.stdout.readline() != "ready\n":
            holder.wait()
            raise OSError(f"no namespace: {holder.stderr.read().strip()}")
        holder.stdout.close()
        holder.stderr.close()
        return holder

    def _lay_line(self, site: int) -> None:
        at_site = ("nsenter", "--target", str(site), "--net", "--", "ip")
        for command in (
            ("ip", "link", "add", "uplink", "type", "veth", "peer", "name", "line", "netns", str(site)),
            ("ip", "addr", "add", f"{UPLINK}/30", "dev", "uplink"),
            ("ip", "link", "set", "uplink", "up"),
            (*at_site, "link", "set", "lo", "up"),
            (*at_site, "addr", "add", f"{SITE}/30", "dev", "line"),
            (*at_site, "link", "set", "line", "up"),
            (*at_site, "route", "add", "default", "via", UPLINK),
        ):
            self.run(*command)


def _as_root() -> list[str]:
    """Root needs no more; anybody else becomes root of a user namespace, where the machine permits it."""
    return [] if os.getuid() == 0 else ["--user", "--map-root-user"]
