"""`python -m deploy.kubernetes.secrets DIR...`: the Secrets that the manifests name, as `kubectl` takes them.

Each file is taken from the first of the directories that has it. What none has is named, and nothing is
printed then: services would wait for half a chain.
"""

import base64
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from services.kit.auth import tokens
from services.kit.auth.principal import Grant, Principal
from services.kit.errors import SpondylError, refusals_in_one_line

NAMESPACE: Final = "spondyl"
MEMBERS: Final = ("telemetry", "console", "screening", "scheduler", "billing", "homecare")
TOKEN: Final = "identity.token"  # noqa: S105  (a file's name)
# Secret: {key in it: file it is made of}
SECRETS: Final[Mapping[str, Mapping[str, str]]] = {
    "chain": {"ca.crt": "ca.crt", "access.pub": "access.pub"},
    **{f"{name}-tls": {"tls.crt": f"{name}.crt", "tls.key": f"{name}.key"} for name in MEMBERS},
    "proxy-tls": {"tls.crt": "proxy.crt", "tls.key": "proxy.key", "ca.crt": "ca.crt"},
    "console-keys": {name: name for name in ("access.key", "bedside.key")},
    "screening-keys": {"clearance.key": "clearance.key"},
    "identity": {"token": TOKEN},
    "databases": {
        name: f"{name}-database"
        for name in ("archive", "console", "screening", "scheduler", "billing", "homecare", "registry")
    },
    "stores": {
        "redis-url": "redis-url",
        "archive-access-key": "store-access-key",
        "archive-secret-key": "store-secret",
    },
}


def main() -> None:
    """Print one YAML document a Secret, of those that are named with --only, else of all."""
    with refusals_in_one_line():
        arguments = sys.argv[1:]
        names = list(SECRETS)
        if arguments[:1] == ["--only"] and len(arguments) > 1:
            names, arguments = arguments[1].split(","), arguments[2:]
        if unknown := sorted({*names} - {*SECRETS}):
            raise SpondylError(f"no Secret is called {', '.join(unknown)}; there are {', '.join(SECRETS)}")
        if not arguments:
            raise SpondylError("of which files? `python -m deploy.kubernetes.secrets DIR...`")
        sys.stdout.write(yaml.safe_dump_all(rendered(names, [Path(one) for one in arguments])))


def rendered(names: Sequence[str], directories: Sequence[Path]) -> list[dict[str, Any]]:
    """These Secrets. Raises SpondylError naming every file that is missing, OSError."""
    wanted = {file for name in names for file in SECRETS[name].values()}
    found = {file: path for file in wanted if (path := _found(file, directories))}
    contents = {file: path.read_bytes() for file, path in found.items()}
    if TOKEN in wanted - contents.keys() and (key := _found("access.key", directories)):
        contents[TOKEN] = identity_token(key)
    if missing := sorted(wanted - contents.keys()):
        where = ", ".join(map(str, directories))
        raise SpondylError(f"{', '.join(missing)} in none of {where}: docs/operations.md says who makes them")
    return [_secret(name, {key: contents[file] for key, file in SECRETS[name].items()}) for name in names]


def identity_token(access_key: Path) -> bytes:
    """What services ask screening for patients' names with, as `spondyl up` mints it."""
    who = Principal("scheduler", "scheduler", (Grant("identity"),))
    return tokens.mint(access_key, who, tokens.LONGEST_S, audiences=(tokens.SCREENING,)).encode()


def _found(file: str, directories: Sequence[Path]) -> Path | None:
    return next((path for one in directories if (path := one / file).is_file()), None)


def _secret(name: str, contents: Mapping[str, bytes]) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": NAMESPACE},
        "type": "kubernetes.io/tls" if name.endswith("-tls") else "Opaque",
        "data": {key: base64.b64encode(content).decode() for key, content in contents.items()},
    }


if __name__ == "__main__":
    main()
