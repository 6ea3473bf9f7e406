"""Homecare with something of everything, for whoever tries every one of its doors."""

import json
from uuid import uuid4

from homecare.at_home import WANTED, Home
from homecare.homecare_rig import HomecareRig

UNKNOWN = "5e551011-0000-4000-8000-0000000000ff"
SITE = "?site=north"
QUERIES = {
    "/programmes": SITE, "/cures-ended": SITE, "/pains": SITE, "/pains/open": SITE, "/overview": SITE,
    "/report": SITE, "/report.csv": SITE, "/dose/chart.svg": "?body_weight_kg=80",
    "/programmes/{programme}/note.pdf": "?for=gym&language=en",
}  # fmt: skip
OTHERS = {"drawing": "bridge", "name": "bridge", "secret": "x" * 43}
PUBLIC = {
    "/library/drawings/{drawing}.svg", "/h/worker.js", "/h/app/drawings/{name}.svg", "/h/app/{name:path}",
    "/h/{secret}", "/h/{secret}/manifest.webmanifest", "/h/{secret}/programme", "/h/{secret}/entries",
}  # fmt: skip


class Doors:
    """The rig, and what each of its routes is asked."""

    def __init__(self, directory):
        self.rig = HomecareRig(directory)
        self.home = home = Home(self.rig)
        report = home.pain()
        home.send(home.done(minutes=-5), report)
        self.patient = str(home.patient)
        self.records = {"programme": home.programme, "link": home.link, "entry": report["id"]}
        self.unknown = dict.fromkeys(self.records, UNKNOWN)
        self.bodies = {path: ("application/json", json.dumps(body).encode()) for path, body in self._bodies()}

    def _bodies(self):
        request = {"request": str(uuid4())}
        finding = ("region", "stage", "hernia", "size", "body_weight_kg", "starts_on")
        yield "/decide", WANTED
        yield "/fill", {name: WANTED[name] for name in finding}
        yield "/programmes", {
            **request, "site": "north", "patient": self.patient, "language": "de", "wanted": WANTED,
        }  # fmt: skip
        yield "/programmes/{programme}", {**request, "version": 1, "wanted": WANTED}
        signing = {"exercise": "bridge", "day": "2026-11-23", "went_well": True}
        yield "/programmes/{programme}/supervised", request | signing
        for verb in ("pause", "resume", "end"):
            yield f"/programmes/{{programme}}/{verb}", {"request": str(uuid4()), "reason": "x"}
        yield "/programmes/{programme}/links", {"request": str(uuid4())}
        yield "/pains/{entry}/answer", {"request": str(uuid4()), "decision": "go_on", "words": "x"}
        yield "/h/{secret}/entries", {"entries": [self.home.done()]}
