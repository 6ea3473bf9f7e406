"""`python -m deploy.containers.sbom [--out DIR] [TARGET ...]`: what images hold, and under which licences.

A CycloneDX file an image: its Python packages by cyclonedx-py from their own metadata, and the packages of
the Debian below them; with them one table of all licences. Nothing of it is asked of anybody outside.
"""

import argparse
import json
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from deploy.containers.engine import ROOT, Engine, engine, say
from deploy.containers.images import TARGETS
from services.kit.errors import SpondylError, refusals_in_one_line

OUT: Final = ROOT / "test-output" / "sbom"
METADATA: Final = (
    "tar -C / -c $(cd /; ls -d opt/spondyl/lib/python3*/site-packages/*.dist-info opt/app/*.dist-info)"
)
DEBIAN: Final = ("dpkg-query", "-W", "-f", "${Package} ${Version}\n")
Json = dict[str, Any]


def main() -> None:
    """Write the files and say where."""
    parser = argparse.ArgumentParser(prog="deploy.containers.sbom", description=__doc__.partition("\n")[0])
    parser.add_argument("--out", type=Path, default=OUT, help=f"directory, default {OUT.relative_to(ROOT)}")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help=f"of {', '.join(TARGETS)}")
    options = parser.parse_args()
    with refusals_in_one_line():
        options.out.mkdir(parents=True, exist_ok=True)
        listed = {target: inventory(engine(), target) for target in options.targets or TARGETS}
        for target, found in listed.items():
            (options.out / f"{target}.cdx.json").write_text(json.dumps(found, indent=1, sort_keys=True))
            say(f"{target}: {len(found['components'])} components")
        (options.out / "licences.md").write_text(licences(listed))
    print(options.out)


def inventory(one: Engine, target: str) -> Json:
    """The CycloneDX object of one image. Raises SpondylError."""
    image = f"spondyl/{target}:latest"
    python = {"components": [], "metadata": {}} if target == "proxy" else _python(one, image)
    packages = one("run", "--rm", "--network", "none", "--entrypoint", DEBIAN[0], image, *DEBIAN[1:]).stdout
    python["components"] += [_debian(*line.split()) for line in packages.splitlines()]
    python["metadata"]["component"] = {"type": "container", "name": f"spondyl/{target}", "bom-ref": image}
    python.setdefault("bomFormat", "CycloneDX")
    python.setdefault("specVersion", "1.6")
    return python


def licences(listed: dict[str, Json]) -> str:
    """One table: each Python package of any image with its version, its licences and the images it is in."""
    rows: dict[tuple[str, str, str], list[str]] = {}
    for target, found in listed.items():
        for part in found["components"]:
            if part.get("purl", "").startswith("pkg:pypi/"):
                key = part["name"], part["version"], " AND ".join(_licences(part)) or "not said"
                rows.setdefault(key, []).append(target)
    lines = [f"| {' | '.join(key)} | {', '.join(images)} |" for key, images in sorted(rows.items())]
    return "\n".join(["| package | version | licence | images |", "|---|---|---|---|", *lines, ""])


def _python(one: Engine, image: str) -> Json:
    """From the packages' metadata alone, taken out of the image: nothing of it is run here."""
    with tempfile.TemporaryDirectory(prefix="spondyl-sbom-") as folder:
        home = Path(folder)
        packed = subprocess.run(
            [*one.run, "run", "--rm", "--network", "none", "--entrypoint", "sh", image, "-c", METADATA],
            capture_output=True, check=False,
        )  # fmt: skip
        if packed.returncode:
            raise SpondylError(f"{image} cannot be read: {packed.stderr.decode(errors='replace').strip()}")
        (home / "metadata.tar").write_bytes(packed.stdout)
        with tarfile.open(home / "metadata.tar") as archive:
            archive.extractall(home, filter="data")
        paths = sorted({str(path.parent) for path in home.rglob("*.dist-info")})
        stand_in = home / "python"  # cyclonedx-py asks an interpreter where its packages are
        stand_in.write_text(f"#!/bin/sh\necho '{json.dumps(paths)}'\n")
        stand_in.chmod(0o755)
        reader = str(Path(sys.executable).with_name("cyclonedx-py"))
        command = [reader, "environment", "--output-reproducible", "--sv", "1.6", str(stand_in)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SpondylError(f"cyclonedx-py ended with {done.returncode}: {done.stderr.strip()}")
        found: Json = json.loads(done.stdout)
        return found


def _debian(name: str, version: str) -> Json:
    purl = f"pkg:deb/debian/{name}@{version}"
    return {"type": "library", "name": name, "version": version, "purl": purl, "bom-ref": purl}


def _licences(part: Json) -> Iterator[str]:
    for row in part.get("licenses", ()):
        said = row.get("expression") or row.get("license", {}).get("id") or row.get("license", {}).get("name")
        if said:
            yield str(said).partition("\n")[0][:80]


if __name__ == "__main__":
    main()
