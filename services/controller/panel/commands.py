"""What the bedside adds to the `spondyl` command: prescriptions, clearances, faults of simulated beds."""

import json
import shlex
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from services.kit.errors import SpondylError
from services.kit.options import AsJson, Data

File = Annotated[Path, typer.Argument(help="YAML, JSON or TOML file.")]
ANSWER_S = 10.0
FAULT_HELP = (  # all of FAULT_KINDS; written out, for their module prepares the compiled code's cache
    "sensor-stuck, sensor-lost, drive-stuck, strap-slip, switch-pressed, link-lost, mains-lost, "
    "switch-unplugged, heat-stuck, sensor-drift, sensor-noise, drive-runaway, drive-slow, link-late, "
    "late-ticks, clock"
)
LATCHED = "an alarm that latched stays until the bed is reset at its panel (the simulated therapist resets)"


def register(root: typer.Typer) -> None:
    """Add the commands."""
    prescriptions = _group("prescription", "Look at a prescription before a bed does.")
    prescriptions.command("check")(check)
    prescriptions.command("plot")(plot)
    clearances = _group("clearance", "Clearances, until the screening service issues them.")
    clearances.command("issue")(issue)
    beds = _group("bed", "Simulated beds.")
    beds.command("fault")(fault)
    for group in (prescriptions, clearances, beds):
        root.add_typer(group)


def _group(name: str, text: str) -> typer.Typer:
    return typer.Typer(name=name, help=text, no_args_is_help=True, rich_markup_mode=None)


def check(file: File, as_json: AsJson = False) -> None:
    """Whether it may be given: every limit it breaks, with its source; exit 0 only when none."""
    from services.kit import documents
    from services.kit.therapy import prescription as rx

    refusals = rx.check_document(documents.read(file, "prescription"))
    if as_json:
        print(json.dumps({"ok": not refusals, "refusals": [refusal.as_json() for refusal in refusals]}))
    elif refusals:
        for refusal in refusals:
            print(refusal.text)
    else:
        print(f"{file}: within every limit")
    if refusals:
        raise SystemExit(1)


def plot(
    file: File,
    out: Annotated[Path | None, typer.Option(help="PNG to write; beside the file when not given.")] = None,
    as_json: AsJson = False,
) -> None:
    """Draw the compiled profile."""
    from services.controller import outputs, profile
    from services.controller.parameters import compile_parameters
    from services.kit.therapy import prescription as rx

    path = out or file.with_suffix(".png")
    prescription = rx.Prescription.load(file)
    parameters = compile_parameters(prescription, 0.020, 1)
    outputs.require_writable(path)
    outputs.write_whole(path, profile.picture(prescription, parameters))
    curve = profile.profile(parameters)
    report: dict[str, Any] = {
        "out": str(path), "cycles": curve.cycles, "highest_n": round(curve.highest_n, 1),
        "seconds": round(float(curve.time_s[-1]), 1),
    }  # fmt: skip
    print(json.dumps(report) if as_json else f"{path}: {curve.cycles} cycles up to {curve.highest_n:.0f} N")


def issue(
    patient: Annotated[str, typer.Option(help="The patient's UUID.")],
    region: Annotated[str, typer.Option(help="lumbar or cervical.")] = "lumbar",
    days: Annotated[float, typer.Option(help="Valid for so many days, at most 366.")] = 30.0,
    valid_from: Annotated[str | None, typer.Option(help="ISO 8601; now when not given.")] = None,
    issuer: Annotated[str, typer.Option(help="Who answers for it.")] = "spondyl-cli",
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Sign a clearance with DIR/secrets/clearance.key and print the token."""
    from services.kit import clearance
    from services.kit.runfile import data_directory

    who, valid_for, begins = _uuid(patient), clearance.days(days), clearance.moment(valid_from)
    clearance.require_region(region)
    keys = clearance.ensure_keys(data_directory(data))  # made where there are none: only for a right request
    token, given = clearance.issue(
        keys.private, who, region, valid_for=valid_for, valid_from=begins, issuer=issuer
    )
    if not as_json:
        print(token)
        return
    report = {
        "token": token, "id": str(given.id), "patient": str(given.patient), "region": given.region,
        "issuer": given.issuer, "valid_from": given.valid_from.isoformat(),
        "valid_until": given.valid_until.isoformat(),
    }  # fmt: skip
    print(json.dumps(report))


def fault(
    device: Annotated[str, typer.Argument(help="A simulated bed of the running system.")],
    kind: Annotated[str, typer.Argument(help=FAULT_HELP)],
    clear: Annotated[bool, typer.Option("--clear", help="Mend it.")] = False,
    data: Data = None,
    as_json: AsJson = False,
) -> None:
    """Break a simulated bed, to see its alarms. No fault wears off: each stays until --clear."""
    from services.controller.kernel.faults import FAULT_KINDS
    from services.kit import runfile
    from services.kit.auth import tokens
    from services.kit.auth.principal import SYSTEM

    if kind not in FAULT_KINDS:
        raise SpondylError(f"kind is {kind!r}: the faults are {', '.join(FAULT_KINDS)}")
    run = runfile.load(data)
    panels = run.panels
    if device not in panels:
        raise SpondylError(f"there is no bed {device!r}: the beds are {', '.join(sorted(panels))}")
    site = next(name for name, row in run.sites.items() if device in row.devices)
    token = tokens.mint(tokens.keys_of(run.data).private, SYSTEM.at(site), audiences=(tokens.PANEL,))
    answer = _post(panels[device], f"/api/devices/{device}/fault", {"kind": kind, "clear": clear}, token)
    mending = None if clear else _mending(device, kind, data)
    report = {
        "device": device, "kind": kind, "set": not clear, "lasts": "until cleared" if mending else None,
        "clear_with": mending, "alarm": LATCHED,
    }  # fmt: skip
    if as_json:
        print(json.dumps(report))
        return
    print(f"{device}: {answer['detail']}" + (f" with: {mending}" if mending else ""))
    print(LATCHED)


def _mending(device: str, kind: str, data: Path | None) -> str:
    """The command that takes the fault away again."""
    where = ["--data", str(data)] if data else []
    return shlex.join(["spondyl", "bed", "fault", device, kind, "--clear", *where])


def _uuid(text: str) -> UUID:
    try:
        return UUID(text)
    except ValueError:
        raise SpondylError(f"--patient is {text!r}: a UUID is needed") from None


def _post(address: str, path: str, body: dict[str, Any], token: str) -> dict[str, Any]:
    import httpx

    from services.kit.connections import verification

    # The panel's address may carry the bed's page; the API stands at the server's root.
    url = httpx.URL(address).copy_with(raw_path=path.encode())
    try:
        headers = {"authorization": f"Bearer {token}"}
        answer = httpx.post(
            url, json=body, headers=headers, timeout=ANSWER_S, trust_env=False, verify=verification()
        )
        document: dict[str, Any] = answer.json()
    except (httpx.HTTPError, ValueError) as error:
        raise SpondylError(f"the panel at {address} does not answer: {error.__class__.__name__}") from None
    if answer.is_error:
        raise SpondylError(str(document.get("detail", answer.status_code)))
    return document
