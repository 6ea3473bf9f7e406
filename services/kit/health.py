"""Whether a process lives and whether it can do its work, with every dependency named."""

import asyncio
import inspect
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from services.kit.errors import SpondylError
from services.kit.told import told

Probe = Callable[[], str | Awaitable[str | None] | None]
PROBE_TIMEOUT_S = 2.0


@dataclass(frozen=True, slots=True)
class Check:
    """One dependency: ``probe`` answers None when it is well, else says plainly what is wrong.

    A plain function runs in a thread, so that it may ask over the network; an exception counts as unwell.
    What is not ``essential`` is named, and the process is ready all the same: another would be no better.
    """

    name: str
    probe: Probe
    essential: bool = True


@dataclass(frozen=True, slots=True)
class Finding:
    """What one check found; ``detail`` is None when all is well."""

    name: str
    detail: str | None
    essential: bool = True

    @property
    def ok(self) -> bool:
        """Whether the dependency is well."""
        return self.detail is None


@dataclass(frozen=True, slots=True)
class Readiness:
    """What all checks found."""

    findings: tuple[Finding, ...]

    @property
    def ready(self) -> bool:
        """Whether every essential dependency is well."""
        return all(finding.ok or not finding.essential for finding in self.findings)

    @property
    def detail(self) -> str:
        """One line for a person: what is wrong, or that nothing is."""
        wrong = [f"{finding.name}: {finding.detail}" for finding in self.findings if not finding.ok]
        return "; ".join(wrong) or "every dependency answers"

    def body(self) -> dict[str, Any]:
        """As JSON, every dependency listed, well or not."""
        return {
            "ready": self.ready,
            "detail": self.detail,
            "checks": {
                finding.name: {"ok": finding.ok, "detail": finding.detail, "essential": finding.essential}
                for finding in self.findings
            },
        }


async def readiness(checks: Sequence[Check], timeout_s: float = PROBE_TIMEOUT_S) -> Readiness:
    """Ask every dependency, all at once; one that does not answer in time is unwell."""
    return Readiness(tuple(await asyncio.gather(*(_ask(check, timeout_s) for check in checks))))


async def _ask(check: Check, timeout_s: float) -> Finding:
    try:
        detail = await asyncio.wait_for(_probe(check.probe), timeout_s)
    except TimeoutError:
        detail = f"no answer within {timeout_s:g} s"
    except Exception as error:  # noqa: BLE001  (whatever a probe raises is its finding)
        refused = isinstance(error, SpondylError)  # of a probe it is one of ours, about a machine
        detail = f"{type(error).__name__}: {error}" if refused else told(error)
    return Finding(check.name, detail, check.essential)


async def _probe(probe: Probe) -> str | None:
    found = probe() if inspect.iscoroutinefunction(probe) else await asyncio.to_thread(probe)
    return found if found is None or isinstance(found, str) else await found
