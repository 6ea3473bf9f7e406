"""The copy that a patient has a right to (GDPR Art. 15(3), BGB 630g): everything, as one ZIP.

`akte.html` is for reading and printing, in the patient's language; `akte.json` and a JSON of each other room
are the same for programs; findings lie beside them as they were filed. A damaged finding is named, not given.
"""

import json
import tempfile
import zipfile
from collections.abc import Mapping, Sequence
from html import escape
from typing import IO, Any, Final
from uuid import UUID

from sqlalchemy import Connection

from services.kit.business.service import Office
from services.kit.database import reading
from services.kit.language import Language, Text
from services.kit.moments import instant_of, now_us
from services.screening.patients import parts, showing, store
from services.screening.patients.attachments import KINDS, Cabinet
from services.screening.patients.models import NAMES, File

IN_MEMORY: Final = 8_000_000  # a larger copy is written to a temporary file
WORDS: Final[Mapping[str, Text]] = {
    "title": {"de": "Patientenakte: Kopie", "en": "Patient's file: copy"},
    "made": {"de": "Erstellt am {at} (UTC)", "en": "Made on {at} (UTC)"},
    "law": {
        "de": "Kopie nach Art. 15 Abs. 3 DSGVO und § 630g BGB. Spondyl ist kein zertifiziertes "
        "Medizinprodukt.",
        "en": "Copy under Art. 15(3) GDPR and section 630g BGB. Spondyl is not a certified medical device.",
    },
    "now": {"de": "Stand heute (Version {version})", "en": "As it is today (version {version})"},
    "versions": {"de": "Frühere Versionen", "en": "Earlier versions"},
    "version": {"de": "Version {version}: {at}, {by}", "en": "Version {version}: {at}, {by}"},
    "notes": {"de": "Notizen", "en": "Notes"},
    "findings": {"de": "Befunde", "en": "Findings"},
    "damaged": {
        "de": "beschädigt: nicht in dieser Kopie, wenden Sie sich an die Praxis",
        "en": "damaged: not in this copy, ask the clinic",
    },
    "merges": {"de": "Zusammengeführte Akten", "en": "Merged files"},
    "nothing": {"de": "Keine Einträge", "en": "No entries"},
    "taken_back": {"de": "zurückgenommen: {reason}", "en": "taken back: {reason}"},
}
_STYLE: Final = (
    "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#111}"
    "h1{font-size:1.6rem}h2{font-size:1.2rem;border-bottom:1px solid #999;margin-top:2rem}"
    "table{border-collapse:collapse;width:100%}th,td{text-align:start;vertical-align:top;"
    "padding:.25rem .6rem;border-bottom:1px solid #ddd;overflow-wrap:anywhere}th{width:14rem}"
)


_ZIP_DAY: Final = (1980, 1, 1, 0, 0, 0)  # a finding's own day stands in the document


def make(office: Office, cabinet: Cabinet, file: File) -> IO[bytes]:
    """The ZIP, at its beginning; whoever takes it closes it."""
    made = tempfile.SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115  (the caller closes it)
    try:
        with (
            reading(office.engine) as connection,
            zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archive,
        ):
            _fill(archive, connection, cabinet, file)
        made.seek(0)
    except BaseException:
        made.close()
        raise
    return made


def _fill(archive: zipfile.ZipFile, connection: Connection, cabinet: Cabinet, file: File) -> None:
    ids = store.family(connection, file.patient)
    whole = showing.whole(connection, cabinet, file)
    whole["merged_versions"] = {
        str(one): showing.versions(connection, one) for one in ids if one != file.patient
    }
    whole["attachments"] = [_packed(archive, cabinet, row) for row in whole["attachments"]]
    rooms = [(part, part.rows(connection, ids)) for part in parts.every()]
    archive.writestr("akte.json", _json(whole))
    for part, rows in rooms:
        archive.writestr(f"{part.name}.json", _json(rows))
        for name, content in part.files(connection, ids).items():
            archive.writestr(f"{part.name}/{name}", content)
    said = [(part.title, rows) for part, rows in rooms]
    archive.writestr("akte.html", document(whole, said, file.content.language))


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, indent=1, default=str)


def _packed(archive: zipfile.ZipFile, cabinet: Cabinet, row: dict[str, Any]) -> dict[str, Any]:
    """The finding in the ZIP under a name of its own, or None as its path when it is damaged."""
    content = cabinet.take(row["sha256"])
    if content is None:
        return row | {"path": None, "intact": False}
    path = f"befunde/{UUID(row['attachment']).hex[:8]}-{row['filename']}"
    archive.writestr(zipfile.ZipInfo(path, _ZIP_DAY), content)
    return row | {"path": path, "intact": True}


# --- to read ----------------------------------------------------------------------------------------------
def document(
    whole: Mapping[str, Any], rooms: Sequence[tuple[Text, list[dict[str, Any]]]], language: Language
) -> str:
    """Everything as one page that needs nothing else, in any script."""
    words = {name: text[language] for name, text in WORDS.items()}
    content, made_at = whole["content"], instant_of(now_us())
    name = f"{content['family_name']}, {content['given_name']}"
    body = [
        f"<h1>{words['title']}: <bdi>{escape(name)}</bdi></h1>",
        f"<p>{words['made'].format(at=f'{made_at:%d.%m.%Y %H:%M}')}<br>{escape(words['law'])}</p>",
        _section(words["now"].format(version=whole["version"]), _content(content, language)),
        _section(words["versions"], _versions(whole["versions"][:-1], words, language)),
        _section(words["findings"], _findings(whole["attachments"], words, language)),
        _section(words["notes"], _entries(whole["notes"], words)),
        _section(words["merges"], _rows(whole["merges"], words)),
        *(_section(title[language], _rows(rows, words)) for title, rows in rooms),
    ]
    return (
        f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"><title>{escape(name)}</title>'
        f"<style>{_STYLE}</style></head><body>{''.join(body)}</body></html>"
    )


def _section(title: str, inside: str) -> str:
    return f"<h2>{escape(title)}</h2>{inside}"


def _table(rows: Sequence[tuple[str, str]]) -> str:
    return "<table>" + "".join(f"<tr><th>{escape(a)}</th><td>{b}</td></tr>" for a, b in rows) + "</table>"


def _content(content: Mapping[str, Any], language: Language) -> str:
    said = [(NAMES[field][language], content.get(field)) for field in NAMES]
    return _table([(name, _text(value)) for name, value in said if value not in (None, "")])


def _text(value: object) -> str:
    return f"<bdi>{escape(str(value)).replace(chr(10), '<br>')}</bdi>"


def _versions(versions: Sequence[Mapping[str, Any]], words: Mapping[str, str], language: Language) -> str:
    if not versions:
        return f"<p>{words['nothing']}</p>"
    heads = [
        words["version"].format(version=it["version"], at=_moment(it["at"]), by=it["by"]) for it in versions
    ]
    return "".join(
        f"<h3>{escape(head)}</h3>"
        + (f"<p>{_text(it['reason'])}</p>" if it["reason"] else "")
        + _content(it["content"], language)
        for head, it in zip(heads, versions, strict=True)
    )


def _findings(findings: Sequence[Mapping[str, Any]], words: Mapping[str, str], language: Language) -> str:
    if not findings:
        return f"<p>{words['nothing']}</p>"
    rows = []
    for it in findings:
        kind = KINDS[it["kind"]][language] if it["kind"] in KINDS else it["kind"]
        link = (
            f'<a href="{escape(it["path"])}">{_text(it["filename"])}</a>' if it["path"] else words["damaged"]
        )
        back = words["taken_back"].format(reason=it["taken_back"]["reason"]) if it["taken_back"] else ""
        more = " · ".join(_text(one) for one in (it["taken_on"], it["note"], back) if one)
        rows.append(
            (f"{kind}, {_moment(it['at'])}, {it['by']}", f"{link}<br>{more}<br>SHA-256 {it['sha256']}")
        )
    return _table(rows)


def _entries(notes: Sequence[Mapping[str, Any]], words: Mapping[str, str]) -> str:
    rows = [(f"{_moment(it['at'])}, {it['by']}", _text(it["text"])) for it in notes]
    return _table(rows) if rows else f"<p>{words['nothing']}</p>"


def _rows(rows: Sequence[Mapping[str, Any]], words: Mapping[str, str]) -> str:
    """Another room's rows, each as names and values."""
    if not rows:
        return f"<p>{words['nothing']}</p>"
    return "".join(
        _table([(str(name), _text(value)) for name, value in row.items() if value not in (None, "")])
        for row in rows
    )


def _moment(text: str) -> str:
    return f"{text[8:10]}.{text[5:7]}.{text[:4]} {text[11:16]}"
