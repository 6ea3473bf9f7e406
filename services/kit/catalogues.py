"""gettext catalogues as tables of texts: every id in German and English, the same ids in both.

A room keeps ``locale/{de,en}/LC_MESSAGES/{domain}.po``. Ids are names (``title_wall``), not sentences,
so that English, too, is a translation that may be mended without touching the other. Of a text with a
``msgid_plural`` the second form, of many, stands under its id, the first under ``{id}_one``: ``counted``.
"""

from pathlib import Path

from babel.messages.catalog import Message
from babel.messages.pofile import read_po

from services.kit.language import LANGUAGES, Language, Table, Text


class UntranslatedText(ValueError):  # noqa: N818  (the name is what a reader meets)
    """A text that is missing, empty or marked fuzzy in one of the languages; a fault of the release."""


def load(*directories: Path) -> Table:
    """Every text below these ``locale`` directories.

    Raises UntranslatedText when an id is not in every language, or stands in two domains of a language.
    """
    by_language = {language: _texts(directories, language) for language in LANGUAGES}
    ids = sorted({name for texts in by_language.values() for name in texts})
    for name in ids:
        for language in LANGUAGES:
            if not by_language[language].get(name):
                raise UntranslatedText(f"the text {name!r} has no {language} translation")
    return {name: _row(by_language, name) for name in ids}


def _row(by_language: dict[Language, dict[str, str]], name: str) -> Text:
    return {language: texts[name] for language, texts in by_language.items()}


def _texts(directories: tuple[Path, ...], language: Language) -> dict[str, str]:
    found: dict[str, str] = {}
    for directory in directories:
        for path in sorted((directory / language / "LC_MESSAGES").glob("*.po")):
            with path.open("rb") as file:
                catalogue = read_po(file, locale=language)
            for message in catalogue:
                for name, text in _forms(message) if message.id else ():
                    if name in found:
                        raise UntranslatedText(f"the text {name!r} stands twice in {language}: {path.name}")
                    found[name] = "" if message.fuzzy else text
    return found


def _forms(message: Message) -> list[tuple[str, str]]:
    """Each form with its id: German and English have one for one and one for all other counts."""
    if isinstance(message.id, str):
        return [(message.id, str(message.string))]
    name, forms = message.id[0], message.string
    return [(f"{name}_one", forms[0]), (name, forms[1])] if isinstance(forms, tuple) else []


def counted(table: Table, name: str, count: int, language: Language, **values: object) -> str:
    """The text in its form for so many, with the count in it."""
    return table[f"{name}_one" if count == 1 else name][language].format(count=count, **values)
