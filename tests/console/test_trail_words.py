"""The details of the audit trail in the reader's language, whatever was written down, and by whom."""

import re
from pathlib import Path
from typing import get_args

import pytest

import services.billing
import services.console
import services.homecare
from broker.fields import Region
from services.console.accounts.entry import Reason
from services.console.routes.sessions import FORMATS
from services.console.sessions.asking import SPANS, Asked
from services.console.sessions.models import OUTCOMES
from services.console.texts import TEXTS
from services.console.trail_words import CODES, details
from services.controller.words import REFUSALS
from services.homecare.programmes.api import TURNS
from services.kit.formats import NOTHING
from services.kit.trail import What
from services.telemetry.exports.formats import FORMATS as FILES
from services.telemetry.statistics import GROUPS

ROOT = Path(services.console.__file__).parent


def said(language="de", **detail):
    """What the page says of a detail, without its name."""
    [(_, words)] = details(detail, language)
    return words


WRITTEN = {
    "reason": (*get_args(Reason), "busy"),
    "what": get_args(What),
    "region": get_args(Region),
    "outcome": OUTCOMES,
    "state": ("running", "completed", "aborted", "lost"),
    "span": SPANS,
    "format": (*FORMATS, *FILES, "recording"),
    "group_by": tuple(GROUPS),
    "of": ("telemetry",),
    "by": ("password", "provider", "patient", "cure", "appointment"),
    "at": ("/password",),
    "why": ("demo", "first start"),
    "part": ("curve",),
    "action": ("sign_in", "session.seen", "user.roles"),
}


@pytest.mark.parametrize("name", WRITTEN)
def test_every_code_that_is_written_has_its_words(name):
    """`too_many` is a word of the code's, in any language."""
    for code in WRITTEN[name]:
        key = code.strip("/").replace(" ", "_")
        for language in ("de", "en"):
            assert said(language, **{name: code}) == TEXTS[CODES[name] + key][language]


def test_every_reason_for_which_an_account_or_a_provider_is_refused_has_its_words():
    """What is refused after its row was written is told by its code."""
    users, store = (ROOT / "accounts" / name for name in ("users.py", "bedside.py"))
    later = re.findall(r'"(badge_taken|last_administrator|operators_full\w*)"', users.read_text())
    later += re.findall(r'"(operators_full\w*)"', store.read_text())
    assert set(later) == {"badge_taken", "last_administrator", "operators_full", "operators_full_everywhere"}
    for code in (*later, "name_taken", "unknown_user"):
        assert said(refused=code) == TEXTS[f"trail_refused_{code}"]["de"]
    provider = {
        code
        for path in ("oidc.py", "mapping.py")
        for code in re.findall(r'"(oidc_\w+)"', (ROOT / "accounts" / path).read_text())
    }
    assert {"oidc_state", "oidc_groups", "oidc_token"} <= provider
    for code in provider:
        assert said(reason=code) == TEXTS[f"trail_reason_{code}"]["de"]


@pytest.mark.parametrize(
    ("detail", "german"),
    [
        ({"before": ["billing@north", "monitor@*"]}, "Abrechnung (north), Überwachung (alle Standorte)"),
        ({"roles": []}, ""),
        ({"role": "integrator"}, "Anbindung"),
        ({"sites": ["north", "*"]}, "north, alle Standorte"),
        ({"since": "2026-11-02"}, "02.11.2026"),
        ({"expires_at": "2026-11-22T12:00:00+00:00"}, "22.11.2026, 12:00"),
        ({"group_by": "site, region"}, "Standort, Region"),
        ({"group_by": "site, nonsense"}, "site, nonsense"),
        ({"found": {"ok": False, "what": "cut", "first_bad": 5, "rows": 4, "head": {"seq": 4, "hash": "ab"}}},
         "ab Zeile: 5, letzte Zeile: Prüfwert: ab, Nr.: 4, ganz: nein, Zeilen: 4, Befund: das Ende fehlt"),
        ({"who": "lumbar"}, "lumbar"),
        ({"reason": "backup of Monday"}, "backup of Monday"),
        ({"boot": None}, NOTHING),
        ({"further": True}, "ja"),
    ],
)  # fmt: skip
def test_what_was_written_reads_in_german(detail, german):
    """Roles by their titles, days as days, and what somebody typed as it was typed."""
    assert said(**detail).startswith(german)


@pytest.mark.parametrize(
    ("answer", "german"),
    [
        ("stop: acted in tick 12", "ausgeführt im Takt 12"),
        ("pause: no answer from north/bed-01 within 5 s; go to the bed", "keine Antwort der Liege in 5 s"),
        ("stop was not sent: the broker is away", "nicht gesendet (the broker is away)"),
        ("a gateway of tomorrow answers", "a gateway of tomorrow answers"),
    ],
)
def test_an_answer_to_a_command_reads_in_german(answer, german):
    """Whoever answers for a STOP reads what became of it; an unknown sentence is shown as it came."""
    assert said(detail=answer) == german


def test_a_gateway_s_refusals_of_a_pause_are_known_here():
    """The sentences are the gateway's: whoever changes one there changes it here."""
    values = {"action": "pause", "phase": "hold"}
    for pattern in (r"is not possible: the bed is in phase", r"a stop came after it", r"no patient has been"):
        [words] = [it.en for it in REFUSALS.values() if re.search(pattern, it.en)]
        sentence = words.format(**values)
        assert said(detail=sentence) != sentence
    assert (
        said(detail="pause is not possible: the bed is in phase hold")
        == "in der Phase „Halten“ nicht möglich"
    )


def test_every_detail_that_the_code_names_has_a_name_in_german():
    """`expires_at` above a German sentence is half a translation."""
    named = {
        name
        for path in ROOT.rglob("*.py")
        for detail in re.findall(r"\bdetail(?:: dict\[str, Any\])?\s*=\s*\{([^{}]*)\}", path.read_text())
        for name in re.findall(r'"(\w+)":', detail)
    }
    assert {"reason", "by", "format", "days"} <= named
    named |= set(Asked.__slots__) - {"q", "cursor"} | {"shown", "further", "refused", "said", "claim"}
    assert {name for name in named if f"detail_{name}" not in TEXTS} == set()


def test_every_action_and_detail_of_billing_s_trail_has_its_words_in_both_languages():
    """`estimate.previewed` tells an auditor nothing."""
    root = Path(services.billing.__file__).parent
    call = re.compile(r'\.seen\(\s*who,\s*f?"([^"]+)"((?:[^()]|\([^()]*\))*)\)')
    found = [match for path in root.rglob("*.py") for match in call.findall(path.read_text())]
    kinds = ("estimate", "agreement")
    written = {name.replace("{kind}", kind) for name, _ in found for kind in kinds} | {"trail.seen"}
    assert {"estimate.made", "agreement.signed", "invoice.issued", "open-items.seen"} <= written
    named = {name for _, rest in found for name in re.findall(r"\b(\w+)=", rest)}
    assert "payer" in named
    wanted = {f"billed_{name}" for name in written} | {f"detail_{name}" for name in named}
    assert {name for name in wanted if not all(TEXTS.get(name, {}).get(it) for it in ("de", "en"))} == set()


def test_every_action_and_detail_of_homecare_s_trail_has_its_words_in_both_languages():
    """Who answered a report of pain, and how, is read years later."""
    root = Path(services.homecare.__file__).parent
    call = re.compile(
        r'(?:\.seen|_seen|_noted)\(([^"()]*)(f?)"([a-z-]+\.[a-z_{}]+)"((?:[^()]|\([^()]*\))*)\)'
    )
    found = [match for path in root.rglob("*.py") for match in call.findall(path.read_text())]
    written = {name.replace("{turn}", turn) for _, _, name, _ in found for turn in TURNS.values()}
    assert {"programme.set", "programme.paused", "link.made", "pain.answered", "overview.seen"} <= written
    named = {name for *_, rest in found for name in re.findall(r"\b(\w+)=", rest)}
    assert {"exercise", "went_well"} <= named
    wanted = {f"cared_{name}" for name in written | {"trail.seen"}} | {f"detail_{name}" for name in named}
    assert {name for name in wanted if not all(TEXTS.get(name, {}).get(it) for it in ("de", "en"))} == set()
