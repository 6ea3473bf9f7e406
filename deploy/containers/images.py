"""`python -m deploy.containers.images [--json] [--missing] [TARGET ...]`: builds images, says their sizes."""

import argparse
import json
import subprocess
import time
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Final

from deploy.containers.engine import ROOT, Engine, engine, say
from services.kit.errors import refusals_in_one_line

SERVICES: Final = (
    "gateway",
    "telemetry",
    "console",
    "screening",
    "scheduler",
    "billing",
    "homecare",
    "registry",
)
TARGETS: Final = (*SERVICES, "tools", "proxy", "store")
BASE: Final = "docker.io/library/python:3.11-slim-bookworm"
MB: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Image:
    """One built image; sizes in MB, unpacked. ``seconds`` is None for one that was there."""

    name: str
    size_mb: float
    layers: int
    seconds: float | None


def main() -> None:
    """Build and print a table, or JSON."""
    parser = argparse.ArgumentParser(prog="deploy.containers.images", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one object on stdout")
    parser.add_argument("--missing", action="store_true", help="only those that are not there")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}")
    options = parser.parse_args()
    with refusals_in_one_line():
        images = build(options.targets or TARGETS, only_missing=options.missing)
        base_mb = size_mb(engine(), BASE)
    if options.json:
        print(json.dumps({"base_mb": base_mb, "images": [asdict(image) for image in images]}))
        return
    print(f"{'image':<28}{'MB':>8}{'above base':>12}{'built in':>10}")
    for image in images:
        took = "" if image.seconds is None else f"{image.seconds:.0f} s"
        above = "" if image.name.startswith("spondyl/proxy") else f"{image.size_mb - base_mb:.0f}"
        print(f"{image.name:<28}{image.size_mb:>8.0f}{above:>12}{took:>10}")


def build(targets: Sequence[str], *, only_missing: bool = False) -> list[Image]:
    """Each target as ``spondyl/TARGET:VERSION`` and ``:latest``. Raises SpondylError."""
    one = engine()
    return [_build(one, target, only_missing=only_missing) for target in targets]


def size_mb(one: Engine, name: str) -> float:
    """Unpacked, everything below it included."""
    return float(one.inspect("image", name)[0]["Size"]) / MB


def release() -> str:
    """The project's version."""
    version: str = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    return version


def _build(one: Engine, target: str, *, only_missing: bool) -> Image:
    name, seconds = f"spondyl/{target}:latest", None
    if not (only_missing and one("image", "inspect", name, check=False).returncode == 0):
        say(f"building {name}")
        began, version = time.monotonic(), release()
        revision = f"org.opencontainers.image.revision={_revision()}"
        one(
            "build", "-q", "-f", str(ROOT / "deploy" / "Containerfile"), "--target", target,
            "--build-arg", f"VERSION={version}", "--label", revision,
            "-t", name, "-t", f"spondyl/{target}:{version}", str(ROOT),
        )  # fmt: skip
        seconds = round(time.monotonic() - began, 1)
    layers = len(one.inspect("image", name)[0]["RootFS"]["Layers"])
    return Image(name, round(size_mb(one, name), 1), layers, seconds)


def _revision() -> str:
    command = ["git", "-C", str(ROOT), "rev-parse", "HEAD"]
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip() or "unknown"


if __name__ == "__main__":
    main()
