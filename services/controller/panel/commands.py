"""What the bedside adds to the `spondyl` command: prescriptions, clearances, faults of simulated beds."""

import json
import shlex
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer

from services.controller.commissioning import commands as commissioning
from services.kit.errors import SpondylError
from services.kit.language import LANGUAGES
from services.kit.options import AsJson, Data

File = Annotated[Path, typer.Argument(help="YAML, JSON or TOML file.")]
ANSWER_S = 10.0
LEAST_HARNESS, MOST_HARNESS = 1.0, 200.0  # N/mm: beyond, a mistyped number
HARNESS_SHARE = 0.03  # deviation of a harness that was measured in a test pull
FAULT_HELP = (  # all of faults.BITS; written out, for their module prepares the compiled code's cache
    "sensor-stuck, sensor-lost, drive-stuck, strap-slip, switch-pressed, link-lost, mains-lost, "
    "switch-unplugged, heat-stuck, sensor-drift, sensor-noise, drive-runaway, drive-slow, link-late, "
    "late-ticks, clock; and what the patient does while it stands: cough, contraction"
)
LATCHED = "an alarm that latched stays until the bed is reset at its panel (the simulated therapist resets)"


def register(root: typer.Typer) -> None:
    """Add the commands."""
    prescriptions = _group("prescription", "Look at a prescription before a bed does.")
    prescriptions.command("check")(check)
    prescriptions.command("plot")(plot)
    prescriptions.command("identify")(identify)
    clearances = _group("clearance", "Clearances, until the screening service issues them.")
    clearances.command("issue")(issue)
    beds = _group("bed", commissioning.HELP)
    beds.command("fault")(fault)
    commissioning.register(beds)
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
    out: Annotated[
        Path | None, typer.Option(help="PNG or SVG to write; a PNG beside the file when not given.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Which simulated patient, and which noise.")] = 7,
    lang: Annotated[str, typer.Option(help="Of the picture: en or de.")] = "en",
    as_json: AsJson = False,
) -> None:
    """Draw the compiled profile, its limits, the modelled force at the segment, and a simulated session."""
    from services.controller import outputs
    from services.controller.segment import picture, preview, studio
    from services.controller.simulation import simulate
    from services.kit.therapy import prescription as rx

    path = out or file.with_suffix(".png")
    kind = _one_of("--out", path.suffix.lower().removeprefix("."), ("png", "svg"))
    language = _one_of("--lang", lang, LANGUAGES)
    simulate.require_within("--seed", seed)
    outputs.require_writable(path)
    prescription = rx.Prescription.load(file)
    found = studio.studio(prescription)
    session = preview.preview(prescription, seed)
    outputs.write_whole(path, picture.picture(prescription, found, session, language, kind))
    profile, segment = found["profile"], found["segment"] or {}
    report: dict[str, Any] = {
        "out": str(path), "cycles": profile["cycles"], "highest_n": profile["highest_n"],
        "seconds": profile["seconds"], "levels": found["levels"],
        "segment": {name: value for name, value in segment.items() if not isinstance(value, list)},
        "simulated": {name: value for name, value in session.items() if not isinstance(value, list)},
    }  # fmt: skip
    told = f"{path}: {profile['cycles']} cycles up to {profile['highest_n']:.0f} N; {_arrives(found)}"
    print(json.dumps(report) if as_json else told)


def _arrives(found: dict[str, Any]) -> str:
    """What of the peak reaches the segment by the model, or why that is not known."""
    if found["segment"] is None:
        return str(found["no_model"]["en"])
    axial, low, high = (
        f"{found['segment']['at']['peak'][f'axial{end}_n']:.0f}" for end in ("", "_low", "_high")
    )
    return f"by the model {axial} N ({low} to {high} N) of it reach the segment"


def identify(
    recording: Annotated[Path, typer.Argument(help="A session's recording, as `spondyl replay` reads it.")],
    harness_n_mm: Annotated[
        float | None, typer.Option(help="The bed's harness, N/mm, as `spondyl bed identify` measured it.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Stiffness, creep and friction from a session's first pulls; exit 0 only when any is told."""
    from services.controller.segment import identify as fit

    if harness_n_mm is not None and not LEAST_HARNESS <= harness_n_mm <= MOST_HARNESS:
        raise SpondylError(
            f"--harness-n-mm is {harness_n_mm:g}: a harness has {LEAST_HARNESS:g} to {MOST_HARNESS:g} N/mm"
        )
    harness = None if harness_n_mm is None else fit.Harness(harness_n_mm, HARNESS_SHARE * harness_n_mm)
    found = fit.identify(fit.first_pulls(*fit.recorded(recording)), harness)
    print(json.dumps(found.as_json()) if as_json else "\n".join(fit.tell(found)))
    if all(value.why for value in found.values):
        raise SystemExit(1)


def _one_of(option: str, value: str, allowed: tuple[Any, ...]) -> Any:
    if value not in allowed:
        raise SpondylError(f"{option} is {value!r}: it is one of {', '.join(allowed)}")
    return value


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
    from services.controller.kernel.faults import BITS
    from services.kit import runfile
    from services.kit.auth import tokens
    from services.kit.auth.principal import SYSTEM

    if kind not in BITS:
        raise SpondylError(f"kind is {kind!r}: the faults are {', '.join(BITS)}")
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
