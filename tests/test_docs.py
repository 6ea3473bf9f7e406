"""The documentation says what the program does."""

import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
import typer.main

from services.cli import build
from services.kit.settings import Settings, described

ROOT = Path(__file__).parent.parent
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
PAGES = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("services/**/README.md")})
SETTINGS_MODULES = ("services.kit.settings", "services.controller.settings", "services.telemetry.settings",
                    "services.console.settings", "services.controller.panel.__main__")  # fmt: skip


def commands(command, prefix=()):
    """Every leaf of the command tree as a tuple of words."""
    children = getattr(command, "commands", None)
    if not children:
        yield prefix
        return
    for name, child in children.items():
        yield from commands(child, (*prefix, name))


def settings_classes():
    """Every settings class of the services."""
    classes = {}
    for name in SETTINGS_MODULES:
        try:
            module = importlib.import_module(name)
        except ModuleNotFoundError as error:
            if error.name != name:
                raise
            continue
        classes |= {
            value.__qualname__: value
            for value in vars(module).values()
            if isinstance(value, type) and issubclass(value, Settings)
        }
    return list(classes.values())


@pytest.mark.parametrize("words", sorted(commands(typer.main.get_command(build()))), ids=" ".join)
def test_every_command_is_on_the_operations_page(words):
    """A command nobody can find does not exist."""
    group, _, leaf = " ".join(words).rpartition(" ")
    assert f"`spondyl {' '.join(words)}" in OPERATIONS or (
        group and f"`spondyl {group} " in OPERATIONS and leaf in OPERATIONS
    )


@pytest.mark.parametrize("row", described(*settings_classes()), ids=lambda row: row.variable)
def test_every_setting_is_on_the_operations_page_with_its_default(row):
    """Ops configure by the page, not by the source."""
    line = next((line for line in OPERATIONS.splitlines() if f"`{row.variable}`" in line), None)
    assert line is not None, f"{row.variable} is missing"
    assert row.default in line
    assert row.description in line


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_link_leads_somewhere(page):
    """Relative links and pictures exist."""
    for target in re.findall(r"\]\(([^)#]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
        if not target.startswith(("http:", "https:", "mailto:")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


def test_the_readme_s_first_screen_has_sentence_picture_commands_address_and_disclaimer():
    """Five seconds decide whether somebody reads on."""
    screen = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()[:20]
    text = "\n".join(screen)
    assert "![" in text
    assert "make demo" in text
    assert "make test" in text
    assert "http://127.0.0.1:8080" in text
    assert "not a certified medical device" in text


def test_every_make_target_of_the_readme_exists():
    """`make help` and the README agree."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    assert set(re.findall(r"\bmake ([a-z]+)", text)) <= targets
    assert {"setup", "demo", "test", "lint", "bench", "verify", "chaos"} <= targets


def test_help_does_not_load_the_compiler():
    """`spondyl --help` answers at once."""
    script = (
        "import sys, typer.main\nfrom services.cli import build\ntyper.main.get_command(build())\n"
        "heavy = ('numba', 'matplotlib', 'fastapi', 'redis', 'scipy')\n"
        "print([name for name in heavy if name in sys.modules])"
    )
    answer = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert answer.stdout.strip() == "[]"
