"""The rules of the house that no linter knows."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
SERVICES = ("controller", "telemetry", "console", "screening", "scheduler", "billing", "homecare", "registry")
ROOMS = ("README.md", "__main__.py", "errors.py")
KERNEL = sorted((ROOT / "services" / "controller" / "kernel").glob("*.py"))
KERNEL_MAY_IMPORT = {"numpy", "numba", "llvmlite", *sys.stdlib_module_names}


def tracked():
    """Every file that is committed."""
    names = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in names.splitlines()]


@pytest.mark.parametrize("path", KERNEL, ids=lambda path: path.name)
def test_the_kernel_imports_nothing_but_numpy_and_numba(path):
    """What decides over a patient's tension can be read and certified alone."""
    imported = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            imported |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            own = (node.module or "").startswith("services.controller.kernel")
            imported |= set() if own or node.level else {(node.module or "").partition(".")[0]}
    assert imported <= KERNEL_MAY_IMPORT


@pytest.mark.parametrize("service", SERVICES)
@pytest.mark.parametrize("room", ROOMS)
def test_every_service_has_the_same_rooms(service, room):
    """Who knows one service finds the way in all."""
    assert (ROOT / "services" / service / room).is_file()


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_s_page_says_what_it_owns_consumes_and_publishes(service):
    """One page a service, so that nobody has to read its code to connect to it."""
    page = (ROOT / "services" / service / "README.md").read_text(encoding="utf-8").lower()
    assert all(word in page for word in ("owns", "consumes", "publishes"))


def test_no_path_of_a_machine_and_no_download_address_is_committed():
    """The tree works on any machine."""
    home = re.compile(r"(?<![\w.])/(?:home|Users|work|farm)/[a-z]")
    download = re.compile(r'"resolved": "https|index-url\s*=?\s*http|sdist = .*https')
    found = []
    for path in tracked():
        if path.suffix in {".png", ".csv", ".svg", ".woff2"} or path == Path(__file__) or not path.is_file():
            continue
        text = path.read_text(encoding="utf-8", errors="replace")
        found += [f"{path.relative_to(ROOT)}: {hit.group(0)}" for hit in home.finditer(text)]
        found += [f"{path.relative_to(ROOT)}: {hit.group(0)}" for hit in download.finditer(text)]
    assert found == []


def test_every_ignored_rule_has_its_reason():
    """A rule is switched off for a reason that a reader can weigh."""
    lines = (ROOT / "pyproject.toml").read_text(encoding="utf-8").splitlines()
    begin = lines.index("ignore = [")
    rules = lines[begin + 1 : lines.index("]", begin)]
    assert rules
    assert [line for line in rules if not re.fullmatch(r'\s+"[A-Z0-9]+",\s+# .{8,}', line)] == []


def test_every_noqa_has_its_reason():
    """The same for a single line."""
    reasoned = re.compile(r"#\s*noqa: [A-Z]+\d+(?:,\s*[A-Z]+\d+)*\s+\(.+")
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in tracked()
        if path.suffix == ".py" and path.is_file() and path != Path(__file__)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if re.search(r"#\s*noqa", line) and not reasoned.search(line)
    ]
    assert found == []
