"""The contract published: asyncapi.yaml, a JSON Schema a stream, an access list and docs/topics.md.

Everything here is committed, so that it can be read without running anything; a test and `spondyl contract
check` fail when it is not what the contract says.
"""

import json
from pathlib import Path

import yaml

from broker.acl import User, acl_for
from broker.asyncapi import asyncapi
from broker.contract import STREAMS
from broker.schemas import schema_of
from broker.topics_page import topics_page

# The access list that is published shows every role, in a chain of two clinics with three beds.
EXAMPLE_USERS = (
    User("gateway", "gw-north", site="north", gateway="gw-north", devices=("bed-01", "bed-02")),
    User("gateway", "gw-south", site="south", gateway="gw-south", devices=("bed-03",)),
    User("bridge", "bridge-north", site="north"),
    User("bridge", "bridge-south", site="south"),
    User("telemetry", "telemetry"),
    User("console", "console"),
    User("screening", "screening"),
    User("scheduler", "scheduler"),
    User("billing", "billing"),
    User("homecare", "homecare"),
    User("integrator", "integrator"),
    User("integrator", "integrator-north", site="north"),
)

# Where the repository keeps each part.
PUBLISHED = Path("broker/published")
TOPICS_PAGE = Path("docs/topics.md")


def published() -> dict[str, str]:
    """Every file of the published contract: name within the export directory -> text."""
    files = {"asyncapi.yaml": _yaml(), "acl": acl_for(EXAMPLE_USERS), "topics.md": topics_page()}
    for stream in STREAMS.values():
        files[f"schemas/{stream.name}.json"] = (
            json.dumps(schema_of(stream), indent=2, ensure_ascii=False) + "\n"
        )
    return files


def export(directory: Path) -> list[Path]:
    """Write the published contract into ``directory``; the paths written. OSError when it cannot be."""
    written = []
    for name, text in published().items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        written.append(path)
    return written


def committed_paths(root: Path) -> dict[Path, str]:
    """Where a checkout at ``root`` keeps every file of the contract, and what it must hold."""
    return {
        root / (TOPICS_PAGE if name == TOPICS_PAGE.name else PUBLISHED / name): text
        for name, text in published().items()
    }


def drifted(root: Path) -> list[str]:
    """What in a checkout is not as the contract says: one line a file."""
    wanted = committed_paths(root)
    lines = [
        f"{path.relative_to(root)}: {'differs from the contract' if path.exists() else 'is missing'}"
        for path, text in wanted.items()
        if not path.exists() or path.read_text() != text
    ]
    lines += [
        f"{path.relative_to(root)}: is not of the contract any more"
        for path in sorted((root / PUBLISHED).rglob("*"))
        if path.is_file() and path not in wanted
    ]
    return lines


def write_committed(root: Path) -> list[Path]:
    """Write a checkout's own copies; the paths written."""
    for path, text in committed_paths(root).items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return list(committed_paths(root))


def _yaml() -> str:
    head = "# Generated from broker/contract.py by `spondyl contract export`; do not edit.\n"
    return head + yaml.safe_dump(asyncapi(), sort_keys=False, allow_unicode=True, width=100)
