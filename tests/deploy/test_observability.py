"""Prometheus' rules, Grafana's dashboards and the run-books: files that stand on the list of metrics."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from deploy.status import targets
from services.kit import metrics
from services.kit.runfile import Run, Site

ROOT = Path(__file__).parents[2]
HERE = ROOT / "deploy" / "observability"
SERIES = metrics.series()
JOBS = {"migrate", "audit", "backup", "restore", "proxy"}  # they come and go, or are none of ours
FOREIGN = {"up"}  # Prometheus' own
RUNBOOKS = (ROOT / "docs" / "runbooks.md").read_text(encoding="utf-8")
RULES = [
    rule
    for path in sorted(HERE.glob("rules/*.yml"))
    for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]
    for rule in group["rules"]
]
BOARDS = sorted((HERE / "grafana/dashboards").glob("*.json"))


def unknown(expression):
    """The series of an expression that nothing exposes, and labels that its metrics do not have."""
    found = set(re.findall(r"\bspondyl_[a-z0-9_]+", expression)) - SERIES
    by_series = {
        f"{one.name}{ending}": set(one.labels) | {"job", "instance", "le", "site"}
        for one in metrics.METRICS
        for ending in metrics.SERIES[one.kind]
    }
    for name, matchers in re.findall(r"\b(spondyl_[a-z0-9_]+)\{([^}]*)\}", expression):
        labels = set(re.findall(r"([a-z_]+)\s*[!=]", matchers))
        found |= {f"{name}{{{label}}}" for label in labels - by_series.get(name, set())}
    return found


def panels(path):
    """The panels of a dashboard."""
    return json.loads(path.read_text(encoding="utf-8"))["panels"]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule["alert"])
def test_an_alert_asks_for_what_is_exposed_and_says_what_to_do(rule):
    """An alert over a name that nothing exposes never fires; one without a run-book wakes in vain."""
    assert unknown(rule["expr"]) == set()
    assert "spondyl_" in rule["expr"] or any(name in rule["expr"] for name in FOREIGN)
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert rule["annotations"]["summary"]
    page, _, anchor = rule["annotations"]["runbook"].partition("#")
    assert (page, anchor) == ("docs/runbooks.md", rule["alert"].lower())
    section = RUNBOOKS.partition(f"\n### {rule['alert']}\n")[2].partition("\n#")[0]
    assert section.strip().startswith(f"*{rule['labels']['severity'].capitalize()}.* ")
    assert "- **Look**: " in section
    assert "- **Do**: " in section


def test_every_run_book_is_of_an_alert_and_every_alert_has_its_own_name():
    """A section that no alert leads to is read by nobody."""
    names = [rule["alert"] for rule in RULES]
    assert sorted(re.findall(r"^### (\w+)$", RUNBOOKS, re.MULTILINE)) == sorted(names)
    assert len(set(names)) == len(names)


def test_every_expression_of_a_dashboard_asks_for_what_is_exposed():
    """A panel that stays empty looks like a fleet that is well."""
    asked = [
        (path.name, panel["title"], target["expr"])
        for path in BOARDS
        for panel in panels(path)
        for target in panel["targets"]
    ]
    wrong = [(board, title, names) for board, title, text in asked if (names := unknown(text))]
    assert wrong == []
    assert {path.stem for path in BOARDS} == {"fleet", "loop", "ingest", "billing", "site"}


def test_dashboards_have_places_that_do_not_overlap_and_ids_of_their_own():
    """Grafana draws what it is told, one panel over another too."""
    for path in BOARDS:
        found = panels(path)
        places = [
            (x, y)
            for at in (panel["gridPos"] for panel in found)
            for x in range(at["x"], at["x"] + at["w"])
            for y in range(at["y"], at["y"] + at["h"])
        ]
        assert len(places) == len(set(places)), path.name
        assert max(x for x, _ in places) < 24
        assert len({panel["id"] for panel in found}) == len(found)


def test_dashboards_name_the_run_books_that_there_are():
    """Whoever sees a line rise looks for what to do."""
    text = " ".join(panel["description"] for path in BOARDS for panel in panels(path))
    named = {name for words in re.findall(r"Run-books?: ([\w, ]+)\.", text) for name in words.split(", ")}
    assert named
    assert named <= {rule["alert"] for rule in RULES}


def test_prometheus_scrapes_every_service_of_the_centre():
    """A service that nobody scrapes is well by definition."""
    config = yaml.safe_load((HERE / "prometheus.yml").read_text(encoding="utf-8"))
    scraped = set(config["scrape_configs"][0]["dns_sd_configs"][0]["names"])
    central = yaml.safe_load((ROOT / "deploy" / "compose.central.yaml").read_text(encoding="utf-8"))
    ours = {
        name
        for name, service in central["services"].items()
        if str(service.get("image", "")).startswith("spondyl/")
    }
    assert ours - JOBS <= scraped
    exposing = {name for one in metrics.METRICS for name in re.split(r", ", one.services)} - {"all", "panel"}
    assert exposing <= scraped


def test_grafana_is_told_of_the_source_that_its_dashboards_name():
    """A dashboard over another source's id is empty."""
    path = HERE / "grafana/provisioning/datasources/prometheus.yaml"
    (source,) = yaml.safe_load(path.read_text(encoding="utf-8"))["datasources"]
    assert {panel["datasource"]["uid"] for board in BOARDS for panel in panels(board)} == {source["uid"]}


def test_a_machine_of_spondyl_up_lists_every_process_with_metrics(tmp_path):
    """Ports change from start to start; whoever scrapes follows the file."""
    run = Run.model_construct(
        data=tmp_path, console="http://127.0.0.1:8080", telemetry="http://127.0.0.1:1", archiver=None,
        ingest=["http://127.0.0.1:2", "http://127.0.0.1:3"], screening="http://127.0.0.1:4", scheduler="",
        billing="", homecare="", panels={"bed-01": "http://127.0.0.1:5/bed/bed-01"},
        sites={"north": Site(gateway="gw-north", panel="http://127.0.0.1:5", devices=["bed-01"])},
    )  # fmt: skip
    found = {(row["labels"]["job"], *row["targets"]): row["labels"].get("site") for row in targets(run)}
    assert found == {
        ("console", "127.0.0.1:8080"): None, ("telemetry", "127.0.0.1:1"): None,
        ("ingest", "127.0.0.1:2", "127.0.0.1:3"): None, ("screening", "127.0.0.1:4"): None,
        ("panel", "127.0.0.1:5"): "north",
    }  # fmt: skip


@pytest.mark.soak
def test_promtool_takes_rules_and_configuration_and_their_own_tests_pass():
    """Prometheus' own parser; where the machine has none, names and forms are checked above."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("no promtool here: Debian's package prometheus has it")
    calls = (
        ("check", "config", "prometheus.yml"),
        ("check", "rules", *(f"rules/{path.name}" for path in HERE.glob("rules/*.yml"))),
        ("test", "rules", "tests/rules.yml"),
    )
    for call in calls:
        done = subprocess.run([promtool, *call], cwd=HERE, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
