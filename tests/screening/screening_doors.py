"""What the doors of screening are knocked at with: a patient of one site with a finding, and a body each."""

import json
from base64 import b64encode
from io import BytesIO

from PIL import Image, ImageDraw
from screening.screening_rig import PERSON, ScreeningRig

from services.screening.consent.words import POINTS

UNKNOWN = "5e551011-0000-4000-8000-0000000000ff"
QUERIES = {
    "/patients/{patient}/questionnaire": "?region=lumbar",
    "/patients/{patient}/decision": "?region=lumbar",
    **{
        f"/fhir/{kind}": f"?patient={UNKNOWN}"
        for kind in ("QuestionnaireResponse", "Consent", "Procedure", "Observation")
    },
}


def drawn():
    """A signature as the screen sends it."""
    picture, written = Image.new("L", (300, 100), "white"), BytesIO()
    ImageDraw.Draw(picture).line([(20, 80), (120, 20), (180, 70), (280, 30)], fill="black", width=4)
    picture.save(written, "PNG")
    return b64encode(written.getvalue()).decode()


ANYBODYS = {"/instruments", "/adverse-kinds"}  # published questionnaires: nothing of anybody
OTHERS = {  # path parameters that name no record which is there
    "consent": UNKNOWN, "response": UNKNOWN, "observation": UNKNOWN,
    "session": UNKNOWN, "version": UNKNOWN, "file": "0" * 64, "place": "1", "number": "3",
    "region": "lumbar", "rule": "claustrophobia", "kind": "leaflet-before", "language": "de",
}  # fmt: skip
BODIES = {
    "/patients/{patient}": {"content": PERSON, "version": 1},
    "/patients/{patient}/notes": {"text": "ruhig"},
    "/patients/{patient}/merge": {"into": UNKNOWN, "reason": "doppelt"},
    "/patients/{patient}/unmerge": {"reason": "doch nicht"},
    "/patients/{patient}/erase": {"reason": "Frist"},
    "/patients/{patient}/attachments/{attachment}/take-back": {"reason": "falsch"},
    "/patients/{patient}/clearances": {"region": "lumbar"},
    "/patients/{patient}/suspensions": {"detail": "untersucht"},
    "/patients/{patient}/restore": {"suspensions": [UNKNOWN], "reason": "untersucht"},
    "/patients/{patient}/gates/{number}/sign": {"reason": "untersucht"},
    "/patients/{patient}/outcomes": {"id": UNKNOWN, "kind": "pain", "region": "lumbar", "before": 3},
    "/patients/{patient}/adverse": {
        "id": UNKNOWN, "kind": "other", "grade": 1, "region": "lumbar", "happened_at": "2026-01-02T10:00:00Z",
    },
    "/patients/{patient}/answers/{rule}": {"value": {"answer": "no"}},
    "/patients/{patient}/conditions/{rule}": {"region": "lumbar", "reason": "untersucht"},
    "/patients/{patient}/decisions": {"region": "lumbar"},
    "/patients/{patient}/consents": {"region": "lumbar", "informed_by": "Dr. Weber", "points": list(POINTS)},
    "/patients/{patient}/consents/{consent}/signature": {"signer": "Erika", "png": drawn()},
    "/patients/{patient}/consents/{consent}/copy": {"how": "paper"},
    "/patients/{patient}/consents/{consent}/withdrawal": {"how": "oral"},
    "/fhir/Patient/{patient}": {"resourceType": "Patient", "name": [{"family": "Weber"}]},
}  # fmt: skip


def form(**fields):
    """A multipart body with one file, and its content type."""
    lines = [
        f'--x\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n{it}' for name, it in fields.items()
    ]
    file = '--x\r\ncontent-disposition: form-data; name="file"; filename="a.pdf"\r\n\r\n%PDF-1.7'
    return "multipart/form-data; boundary=x", "\r\n".join([*lines, file, "--x--\r\n"]).encode()


class Doors:
    """A screening with a patient of `north`."""

    def __init__(self, directory):
        self.rig = ScreeningRig(directory)
        self.patient = self.rig.patient("north", family_name="Xanthippe")
        path = f"/patients/{self.patient}/attachments"
        files = {"file": ("a.pdf", b"%PDF-1.7")}
        made = self.rig.ask("POST", path, data={"kind": "report"}, files=files)
        self.records = {"patient": self.patient, "attachment": made["attachment"]}
        self.unknown = dict.fromkeys(self.records, UNKNOWN)
        self.bodies = {
            path: ("application/json", json.dumps(body).encode()) for path, body in BODIES.items()
        } | {
            "/patients/{patient}/attachments": form(kind="report"),
            "/patients/{patient}/consents/{consent}/scan": form(signer="Erika"),
        }
