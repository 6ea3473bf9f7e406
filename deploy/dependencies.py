"""`make audit`: what is installed, asked of those who publish advisories; and what can be said without them.

    python -m deploy.dependencies [--service pypi|osv]

Exit status 0 only when every package was asked for and nothing is known against it. A source
that cannot be reached, or that does not know a package, is a failure: silence is no acquittal.
"""

import argparse
import json
import re
import subprocess
import sys
import tomllib
from dataclasses import dataclass, field
from importlib import metadata
from pathlib import Path
from typing import Any, Final

from packaging.requirements import Requirement

from services.kit.errors import SpondylError, refusals_in_one_line

ROOT: Final = Path(__file__).parent.parent
LOCKS: Final = ROOT / "requirements"
LICENCES: Final = ROOT / "docs" / "security" / "licences.toml"
TIMEOUT_S: Final = 900
_HASH: Final = re.compile(r"--hash=sha256:[0-9a-f]{64}(?= |$)")


@dataclass(slots=True)
class Locked:
    """One package of a lock: what is required, its hashes, and who wants it."""

    requirement: Requirement
    hashes: int = 0
    wanted_by: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """As the index writes it."""
        return normal(self.requirement.name)

    @property
    def is_here(self) -> bool:
        """Whether this machine takes it: some are for other systems or older Pythons."""
        return self.requirement.marker is None or self.requirement.marker.evaluate()


def normal(name: str) -> str:
    """A project's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def locked(path: Path) -> dict[str, Locked]:
    """The packages of a lock. Raises SpondylError for a line that is none."""
    found: dict[str, Locked] = {}
    last: Locked | None = None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        text = line.strip().removesuffix("\\").strip()
        if text.startswith("#") and line.startswith(" ") and last:
            wanted = text.lstrip("# ").removeprefix("via").strip()
            last.wanted_by += [wanted] if wanted else []
        elif text.startswith("--hash=") and last and _HASH.fullmatch(text):
            last.hashes += 1
        elif text and not text.startswith("#"):
            last = _requirement(path, number, text)
            found[last.name] = last
    return found


def _requirement(path: Path, number: int, text: str) -> Locked:
    try:
        requirement = Requirement(text)
    except ValueError as error:
        raise SpondylError(f"{path.name}:{number}: {text[:80]!r} is no requirement: {error}") from None
    return Locked(requirement)


def licence_of(name: str) -> str:
    """What a package that is installed says of its licence; empty when it says nothing."""
    told: Any = metadata.metadata(name)
    classified = [
        row.split(" :: ")[-1]
        for row in told.get_all("Classifier") or []
        if row.startswith("License ::") and row != "License :: OSI Approved"
    ]
    stated = (told.get("License") or "").strip().partition("\n")[0]
    return str(told.get("License-Expression") or " / ".join(classified) or stated)


def allowed() -> dict[str, Any]:
    """The table of licences."""
    return tomllib.loads(LICENCES.read_text(encoding="utf-8"))


def advisories(service: str) -> list[str]:
    """What is known against any package, a line each.

    Raises SpondylError unless all were asked for.
    """
    asked = to_ask()
    wanted = set().union(*(versions(path) for path in asked))
    rows = [row for path in asked for row in _asked(service, path).get("dependencies", [])]
    answered = {(normal(row["name"]), row["version"]) for row in rows if "vulns" in row}
    if silent := sorted(wanted - answered):
        reasons = {row["skip_reason"] for row in rows if "skip_reason" in row}
        raise SpondylError(
            f"advisories of {len(silent)} of {len(wanted)} packages could not be had from {service!r}, so "
            f"nothing is acquitted (the first: {min(reasons, default=str(silent[0]))}); run it where the "
            "source can be reached, or with another --service"
        )
    told = {
        f"{row['name']} {row['version']}: {one['id']} {' '.join(one.get('aliases', []))}, mended in "
        f"{', '.join(one['fix_versions']) or 'no release'}"
        for row in rows
        for one in row.get("vulns", ())
    }
    return sorted(told)


def versions(path: Path) -> set[tuple[str, str]]:
    """(name, version) of what a lock installs on this system."""
    here = (one for one in locked(path).values() if one.is_here)
    return {(one.name, str(one.requirement.specifier).removeprefix("==")) for one in here}


def to_ask() -> list[Path]:
    """As few locks as hold every version of every package: the largest holds nearly all of them."""
    found: list[Path] = []
    seen: set[tuple[str, str]] = set()
    for path in sorted(paths(), key=lambda one: -len(locked(one))):
        if not versions(path) <= seen:
            found.append(path)
            seen |= versions(path)
    return found


def paths() -> list[Path]:
    """Every lock."""
    return sorted(LOCKS.glob("*.lock"))


def _asked(service: str, path: Path) -> dict[str, Any]:
    """What pip-audit says of a lock. Raises SpondylError when it says nothing."""
    command = [sys.executable, "-m", "pip_audit", f"--requirement={path}"]
    command += [
        "--disable-pip",
        "--no-deps",
        "--progress-spinner=off",
        f"--vulnerability-service={service}",
        "--format=json",
    ]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    except subprocess.TimeoutExpired:
        raise SpondylError(f"{service!r} did not answer within {TIMEOUT_S} s: nothing was audited") from None
    try:
        found: dict[str, Any] = json.loads(ran.stdout)
    except ValueError:
        said = (ran.stderr.strip().splitlines() or ["nothing"])[-1][:300]
        raise SpondylError(f"{service!r} could not be asked: nothing was audited. It said: {said}") from None
    return found


def main() -> None:
    """Ask, and say what was found."""
    parser = argparse.ArgumentParser(prog="deploy.dependencies", description=__doc__.partition("\n")[0])
    parser.add_argument(
        "--service", choices=("pypi", "osv"), default="pypi", help="who publishes the advisories"
    )
    with refusals_in_one_line():
        found = advisories(parser.parse_args().service)
        print("\n".join(found) or f"nothing is known against any package of {len(paths())} locks")
        sys.exit(1 if found else 0)


if __name__ == "__main__":
    main()
