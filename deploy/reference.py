"""The generated parts of docs/operations.md and docs/access.md, and docs/safety/matrix.md.

``python -m deploy.reference`` writes them; a test fails when they are not current.
"""

import re
import tomllib
from pathlib import Path
from typing import Any, get_args

from broker.contract import STREAMS, Role
from deploy import safety
from services.billing.settings import BillingSettings
from services.console.models import ConsoleSettings
from services.controller.beds import modbus_map
from services.controller.panel.__main__ import PanelSettings
from services.controller.settings import ControllerSettings
from services.controller.therapist.__main__ import TherapistSettings
from services.homecare.settings import HomecareSettings
from services.kit.auth.roles import PERMISSIONS, ROLES
from services.kit.business.service import BusinessSettings
from services.kit.metrics import METRICS
from services.kit.settings import Settings, described
from services.kit.tracing import ATTRIBUTES
from services.registry.settings import RegistrySettings
from services.scheduler.settings import SchedulerSettings
from services.screening import review
from services.screening.settings import ScreeningSettings
from services.telemetry.settings import TelemetrySettings

DOCS = Path(__file__).parent.parent / "docs"
OPERATIONS = DOCS / "operations.md"
ACCESS = DOCS / "access.md"
SCREENING = DOCS / "screening.md"
SECURITY = DOCS / "security.md"
MODBUS = DOCS / "modbus.md"
THREATS = DOCS / "security" / "threats.toml"
STRIDE = "STRIDE"
READERS: tuple[tuple[str, type[Settings]], ...] = (
    ("every service", Settings),
    ("gateway", ControllerSettings),
    ("panel", PanelSettings),
    ("simulated therapist", TherapistSettings),
    ("telemetry", TelemetrySettings),
    ("console", ConsoleSettings),
    ("business service", BusinessSettings),
    ("screening", ScreeningSettings),
    ("scheduler", SchedulerSettings),
    ("billing", BillingSettings),
    ("homecare", HomecareSettings),
    ("registry", RegistrySettings),
)


def settings_table() -> str:
    """One row a variable: who reads it, its default, what it is."""
    rows = ["| variable | read by | default | what |", "|---|---|---|---|"]
    seen: set[str] = set()
    for reader, cls in READERS:
        for row in described(cls):
            if row.variable not in seen:
                seen.add(row.variable)
                default = f"`{row.default}`" if row.default else ""
                rows.append(f"| `{row.variable}` | {reader} | {default} | {row.description} |")
    return "\n".join(rows)


def metrics_table() -> str:
    """One row a metric: kind, labels, whose /metrics it is on, what it tells."""
    rows = ["| metric | kind | labels | of | what |", "|---|---|---|---|---|"]
    for name, kind, labels, services, text in METRICS:
        named = ", ".join(f"`{label}`" for label in labels)
        rows.append(f"| `{name}` | {kind} | {named} | {services} | {text} |")
    return "\n".join(rows)


def spans_table() -> str:
    """One row an attribute that a span may have."""
    rows = ["| attribute | what |", "|---|---|"]
    return "\n".join([*rows, *(f"| `{name}` | {text} |" for name, text in ATTRIBUTES.items())])


def roles_table() -> str:
    """One row a permission, one column a role."""
    rows = [
        f"| permission | what it opens | {' | '.join(ROLES)} |",
        f"|---|---|{'---|' * len(ROLES)}",
    ]
    for permission, what in PERMISSIONS.items():
        marks = ("yes" if permission in role.permissions else "" for role in ROLES.values())
        rows.append(f"| `{permission}` | {what['en']} | {' | '.join(marks)} |")
    return "\n".join(rows)


def streams_table() -> str:
    """One row a stream, one column a role at a broker: who may write it, and who may read it."""
    roles = get_args(Role)
    rows = [f"| stream | {' | '.join(roles)} |", f"|---|{'---|' * len(roles)}"]
    for name, stream in STREAMS.items():
        marks = (
            " and ".join(
                verb
                for verb, those in (("write", stream.producers), ("read", stream.consumers))
                if role in those
            )
            for role in roles
        )
        rows.append(f"| `{name}` | {' | '.join(marks)} |")
    return "\n".join(rows)


def purposes_table() -> str:
    """One row a role: its title in both languages, and what it is for."""
    rows = ["| role | in the console | what it is for |", "|---|---|---|"]
    rows += [
        f"| `{name}` | {role.title['en']} / {role.title['de']} | {role.purpose['en']} |"
        for name, role in ROLES.items()
    ]
    return "\n".join(rows)


def threats() -> dict[str, Any]:
    """Interface by interface: its title, attackers, and a cell a letter of STRIDE."""
    return tomllib.loads(THREATS.read_text(encoding="utf-8"))


def threats_table() -> str:
    """One row a letter of an interface."""
    rows = ["| interface | | threat | answer | test |", "|---|---|---|---|---|"]
    for interface in threats().values():
        for letter in STRIDE:
            cell = interface[letter]
            answer = cell.get("answer") or ("does not apply" if "none" in cell else "**open**, below")
            tests = "<br>".join(f"`{test.rpartition('::')[2]}`" for test in cell.get("tests", ()))
            threat = cell.get("threat") or cell["none"]
            rows.append(f"| {interface['title']} | {letter} | {threat} | {answer} | {tests} |")
    return "\n".join(rows)


def open_threats_table() -> str:
    """One row a threat without an answer."""
    rows = ["| interface | | threat | what is left to do |", "|---|---|---|---|"]
    for interface in threats().values():
        for letter in STRIDE:
            cell = interface[letter]
            if "open" in cell:
                rows.append(f"| {interface['title']} | {letter} | {cell['threat']} | {cell['open']} |")
    return "\n".join(rows)


def with_part(text: str, name: str, part: str) -> str:
    """The page with the lines between its two marks replaced."""
    pattern = rf"(<!-- {name} -->\n).*?(<!-- /{name} -->)"
    filled = rf"\g<1>\n{part.replace(chr(92), chr(92) * 2)}\n\n\g<2>"
    replaced, count = re.subn(pattern, filled, text, flags=re.DOTALL)
    if count != 1:
        raise ValueError(f"the page has {count} parts between the marks of {name!r}: one is needed")
    return replaced


def current(text: str) -> str:
    """The operations page as it should be."""
    parts = {"settings": settings_table(), "metrics": metrics_table(), "spans": spans_table()}
    for name, part in parts.items():
        text = with_part(text, name, part)
    return text


def current_access(text: str) -> str:
    """The page on access as it should be."""
    parts = {"roles": purposes_table(), "permissions": roles_table(), "streams": streams_table()}
    for name, part in parts.items():
        text = with_part(text, name, part)
    return text


def current_screening(text: str) -> str:
    """The page on screening as it should be."""
    return with_part(text, "review", review.table())


def current_modbus(text: str) -> str:
    """The page on beds over Modbus as it should be."""
    for name, part in modbus_map.tables().items():
        text = with_part(text, name, part)
    return text


def current_security(text: str) -> str:
    """The page on security as it should be."""
    return with_part(with_part(text, "threats", threats_table()), "open threats", open_threats_table())


def main() -> None:
    """Write the pages anew."""
    pages = (
        (OPERATIONS, current),
        (ACCESS, current_access),
        (SCREENING, current_screening),
        (SECURITY, current_security),
        (MODBUS, current_modbus),
    )
    for page, write in pages:
        page.write_text(write(page.read_text(encoding="utf-8")), encoding="utf-8")
    safety.MATRIX.write_text(safety.matrix(), encoding="utf-8")


if __name__ == "__main__":
    main()
