"""The documentation says what the program does."""

import re
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
import typer.main
from chaos.faults import FAULTS
from chaos_stack.faults import FAULTS as CHAIN_FAULTS

from deploy import reference
from services.cli import build
from services.kit import metrics
from services.kit.auth.roles import PERMISSIONS, ROLES, Permission

ROOT = Path(__file__).parent.parent
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
PAGES = sorted({*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("services/**/README.md")})


def commands(command, prefix=()):
    """Every leaf of the command tree as a tuple of words."""
    children = getattr(command, "commands", None)
    if not children:
        yield prefix
        return
    for name, child in children.items():
        yield from commands(child, (*prefix, name))


@pytest.mark.parametrize("words", sorted(commands(typer.main.get_command(build()))), ids=" ".join)
def test_every_command_is_on_the_operations_page(words):
    """A command nobody can find does not exist."""
    group, _, leaf = " ".join(words).rpartition(" ")
    assert f"`spondyl {' '.join(words)}" in OPERATIONS or (
        group and f"`spondyl {group} " in OPERATIONS and leaf in OPERATIONS
    )


def test_the_settings_on_the_operations_page_are_those_the_services_read():
    """Ops configure by the page, not by the source; `python -m deploy.reference` writes it."""
    assert reference.current(OPERATIONS) == OPERATIONS


def test_the_roles_on_the_page_about_access_are_those_that_services_judge_by():
    """Whoever grants a role reads there what it opens."""
    page = reference.ACCESS.read_text(encoding="utf-8")
    assert reference.current_access(page) == page
    assert set(PERMISSIONS) == set(get_args(Permission))
    assert all(permission in PERMISSIONS for role in ROLES.values() for permission in role.permissions)


def test_what_a_clinician_must_review_is_on_the_page_about_screening():
    """A number that is ours must not look like one of a paper's."""
    page = reference.SCREENING.read_text(encoding="utf-8")
    assert reference.current_screening(page) == page
    for words in ("our own wording", "NDI: change that matters", "`pregnancy` holds", "after session 3"):
        assert words in page


def test_every_metric_is_on_the_operations_page():
    """A number without a meaning cannot be watched; the list is that of the program (tests/kit)."""
    missing = [one.name for one in metrics.METRICS if f"`{one.name}`" not in OPERATIONS]
    assert missing == []


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


def test_the_operations_page_leaves_hsts_to_the_proxy_and_shows_how():
    """A console that said it would shut every plain port of its host; one that nobody says it for is open."""
    page = (ROOT / "docs/operations.md").read_text()
    section = page[page.index("## Behind a proxy with TLS") :]
    examples = re.findall(r"```\w*\n(.*?)```", section[: section.index("\n## ", 1)], re.DOTALL)
    assert len(examples) == 2
    for example in examples:
        assert 'Strict-Transport-Security "max-age=' in example
        assert "127.0.0.1:8080" in example
    said = [
        path for path in (ROOT / "services").rglob("*.py") if "strict-transport" in path.read_text().lower()
    ]
    assert said == []


def test_every_make_target_of_the_readme_exists():
    """`make help` and the README agree."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    named = {"".join(pair) for pair in re.findall(r"^make ([a-z]+)|`make ([a-z]+)", text, re.MULTILINE)}
    assert named <= targets
    assert {"setup", "demo", "test", "lint", "bench", "verify", "chaos"} <= targets


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
def test_every_fault_that_chaos_does_is_a_row_of_the_operations_page(fault):
    """What a system survives is read here; `make chaos` writes the rows."""
    part = OPERATIONS.partition("<!-- chaos -->")[2].partition("<!-- /chaos -->")[0]
    assert f"\n| {fault.name} |" in part


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


@pytest.mark.parametrize("fault", CHAIN_FAULTS, ids=lambda fault: fault.name)
def test_every_fault_that_is_done_to_a_chain_is_a_row_of_the_operations_page(fault):
    """The same for the chain in containers; `make chaos-stack` writes the rows."""
    part = OPERATIONS.partition("<!-- chaos-stack -->")[2].partition("<!-- /chaos-stack -->")[0]
    assert f"\n| {fault.name} |" in part
