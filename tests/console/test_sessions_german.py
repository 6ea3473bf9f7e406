"""Past sessions for who reads German, refusals and outages among them."""

import re
from uuid import UUID

import pytest
from console.past_rig import shown
from simulated_session import SESSION

pytestmark = pytest.mark.system


def test_pages_speak_german_to_who_reads_german(rig):
    """With the decimals and days of German."""
    german = {"accept-language": "de"} | rig.accounts.headers("nora")
    text = shown(rig.get("nora", f"/sessions/{SESSION}", headers=german))
    for words in (
        "Zusammenfassung",
        "22.11.2026, ",
        "Zeit in den Phasen",
        "4.000 Zeichen",
        "Sitzung begonnen",
    ):
        assert words in text
    assert "\N{EN DASH} N" not in text
    refused = rig.get("nora", "/sessions?q=nonsense", headers=german)
    assert "nonsense ist keine Kennung" in shown(refused)


@pytest.mark.parametrize(
    ("who", "path", "status", "words"),
    [
        ("nora", f"/sessions/{UUID(int=7)}", 404, f"Eine Sitzung {UUID(int=7)} ist hier nicht bekannt."),
        ("nora", f"/cures/{UUID(int=7)}/sessions", 404, f"Keine Sitzung der Kur {UUID(int=7)} ist hier be"),
        ("nora", "/sessions?cursor=nonsense", 422, "nonsense ist keine Seite dieser Liste"),
        ("nora", f"/sessions/{SESSION}/export?format=xls", 422, "xls ist keine Form"),
        (
            "moni", "/sessions", 403,
            "Ereignisse, Notizen. Das erlaubt die Rolle „Administration“ oder „Ärztin, Arzt“ oder",
        ),
    ],
)  # fmt: skip
def test_what_telemetry_refuses_is_said_in_german_to_who_reads_german(rig, who, path, status, words):
    """An English sentence on a German page reads as a fault of the program."""
    answer = rig.get(who, path, headers={"accept-language": "de"})
    assert answer.status_code == status
    text = shown(answer)
    assert words in text
    detail = re.search(r'error-detail" lang="(..)">(.*?)</p>', text)
    assert detail[1] == "de"


def test_a_german_page_says_in_german_that_telemetry_is_away_also_when_a_note_is_lost(rig):
    """With the address to look at."""
    german = {"accept-language": "de"}
    rig.away(is_away=True)
    try:
        listed_now = shown(rig.get("nora", "/sessions", headers=german))
        noted = rig.post("nora", f"/sessions/{SESSION}/notes", data={"text": "still here"}, headers=german)
    finally:
        rig.away(is_away=False)
    for text in (listed_now, shown(noted)):
        assert "Keine Verbindung zum Archiv unter http://127.0.0.1:9" in text
    assert "still here" in noted.text


def test_a_part_of_a_curve_that_is_refused_says_so_in_german_too(rig):
    """The page's script shows it."""
    part = rig.get(
        "nora", f"/api/sessions/{UUID(int=7)}/curve?from=0&to=9&width=10", headers={"accept": "*/*"}
    )
    assert part.status_code == 404
    assert part.json()["detail_de"] == f"Eine Sitzung {UUID(int=7)} ist hier nicht bekannt."
    assert part.json()["type"] == "urn:spondyl:problem:history-not-found"
