"""What is installed: pinned by hash, wanted by somebody, under a licence that was looked at."""

import re
import tomllib
from importlib import metadata
from pathlib import Path

import pytest

from deploy import dependencies
from deploy.dependencies import ROOT, allowed, licence_of, locked, normal, paths
from services.kit.errors import SpondylError

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
VENDOR = ROOT / "services" / "kit" / "static" / "vendor"
TABLE = allowed()
RUNTIME = locked(ROOT / "requirements" / "local.lock")
EVERYTHING = locked(ROOT / "requirements" / "test.lock")


@pytest.mark.parametrize("path", paths(), ids=lambda path: path.stem)
def test_every_package_of_every_lock_is_one_version_with_hashes_that_somebody_wants(path):
    """A version without a hash is whatever the index says today; one that nobody wants is only a risk."""
    text = path.read_text(encoding="utf-8")
    assert "://" not in text
    assert "yanked" not in text.lower()
    packages = locked(path)
    assert len(packages) > 10
    for one in packages.values():
        assert re.fullmatch(r"==[^=,*]+", str(one.requirement.specifier)), one.name
        assert one.hashes, one.name
        assert one.wanted_by, one.name
        unknown = {normal(re.split(r"[\s\[(]", name)[0]) for name in one.wanted_by} - {*packages, "spondyl"}
        assert not unknown, f"{one.name} is wanted by {unknown}, which the lock does not have"


def test_every_version_of_every_package_is_asked_for():
    """Two locks may hold a package in two versions, and a clinic has the other one."""
    asked = {row for path in dependencies.to_ask() for row in dependencies.versions(path)}
    assert asked == {row for path in paths() for row in dependencies.versions(path)}


def test_every_extra_has_a_lock_and_every_lock_an_extra():
    """A service installed without its lock takes whatever is newest."""
    assert {path.stem for path in paths()} == set(PROJECT["optional-dependencies"])


@pytest.mark.parametrize("name", sorted(EVERYTHING))
def test_every_licence_is_one_that_was_looked_at(name):
    """A licence that forbids what we do is found before a clinic depends on it."""
    if not EVERYTHING[name].is_here:
        pytest.skip("not for this system")
    said, exception = licence_of(name), TABLE["packages"].get(name)
    if exception:
        assert exception["why"]
        assert said in ("", exception["licence"])
        return
    lists = ("runtime",) if name in RUNTIME else ("runtime", "tests")
    assert said in {one for row in lists for one in TABLE[row]}, f"{name} is under {said!r}"


def test_no_row_of_the_table_of_licences_is_for_nobody():
    """A row that nothing needs would let the next one in unseen."""
    here = {name for name, one in EVERYTHING.items() if one.is_here}
    said = {licence_of(name) for name in here}
    assert set(TABLE["packages"]) <= here
    assert set(TABLE["runtime"]) | set(TABLE["tests"]) <= said


def _direct():
    """(project, extra) of every dependency that pyproject.toml names."""
    rows = [(None, text) for text in PROJECT["dependencies"]]
    rows += [(extra, text) for extra, texts in PROJECT["optional-dependencies"].items() for text in texts]
    found = {(normal(re.split(r"[\s\[<>=;]", text)[0]), extra == "test") for extra, text in rows}
    return sorted(row for row in found if row[0] != "spondyl")


def _imported(folders):
    """The packages that these folders' modules import."""
    files = (path for folder in folders for path in (ROOT / folder).rglob("*.py"))
    pattern = re.compile(r"^\s*(?:import|from)\s+([A-Za-z_]\w*)", re.MULTILINE)
    return {name for path in files for name in pattern.findall(path.read_text(encoding="utf-8"))}


def test_every_direct_dependency_is_imported_or_says_what_it_is_for():
    """What is installed for nothing can still be attacked."""
    modules = {}
    for module, projects in metadata.packages_distributions().items():
        for project in projects:
            modules.setdefault(normal(project), set()).add(module)
    imported = {tests: _imported(("broker", "services", "deploy", *(["tests"] * tests))) for tests in (0, 1)}
    idle = {name for name, tests in _direct() if not modules.get(name, set()) & imported[tests]}
    assert idle == set(TABLE["unimported"])
    assert all(TABLE["unimported"].values())


def test_every_vendored_file_has_its_version_and_its_licence():
    """What is copied in is listed as what is installed is."""
    listed = (VENDOR / "README.md").read_text(encoding="utf-8")
    files = {path.name for path in VENDOR.iterdir()} - {"README.md"}
    for name in files - {one for one in files if one.startswith("LICENSE.")}:
        stem, _, suffix = name.rpartition(".")
        assert f"`{name}`" in listed or (f"`{stem}." in listed and f"`.{suffix}`" in listed), name
        assert re.search(r"\d+\.\d+\.\d+", name), f"{name} does not say its version"
    licences = set(re.findall(r"`(LICENSE\.\w+)`", listed))
    assert licences == {one for one in files if one.startswith("LICENSE.")}


def test_an_audit_that_could_not_ask_for_everything_fails(monkeypatch):
    """A source that skips what it does not know says nothing about it, and nothing is no acquittal."""
    told = {"dependencies": [{"name": "typer", "skip_reason": "not found and could not be audited"}]}
    monkeypatch.setattr(dependencies, "_asked", lambda *_: told)
    with pytest.raises(SpondylError, match=r"could not be had from 'osv'.*not found"):
        dependencies.advisories("osv")


def test_an_audit_says_what_is_known_and_where_it_is_mended(monkeypatch):
    """Whoever reads it knows what to do."""
    wanted = {row for path in paths() for row in dependencies.versions(path)}
    rows = [{"name": name, "version": version, "vulns": []} for name, version in sorted(wanted)]
    monkeypatch.setattr(dependencies, "_asked", lambda *_: {"dependencies": rows})
    assert dependencies.advisories("pypi") == []
    rows[0]["vulns"] = [{"id": "PYSEC-2026-1", "aliases": ["CVE-2026-1"], "fix_versions": ["9.9"]}]
    (line,) = dependencies.advisories("pypi")
    assert line == f"{rows[0]['name']} {rows[0]['version']}: PYSEC-2026-1 CVE-2026-1, mended in 9.9"


def test_a_source_that_cannot_be_asked_is_said_in_one_line(tmp_path, monkeypatch):
    """An audit without network must not look like one without findings."""
    monkeypatch.setattr(dependencies, "LOCKS", tmp_path)
    (tmp_path / "broken.lock").write_text("typer==\n")
    with pytest.raises(SpondylError, match="no requirement"):
        dependencies.advisories("pypi")
    assert Path(dependencies.__file__).exists()
