"""gettext catalogues as tables of texts: every id in German and English, the same ids in both.

A room keeps ``locale/{de,en}/LC_MESSAGES/{domain}.po``. Ids are names (``title_wall``), not sentences,
so that English, too, is a translation that may be mended without touching the other.
"""

from pathlib import Path

from babel.messages.pofile import read_po

from services.kit.pages import LANGUAGES, Language, Table, Text


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
                if not message.id:
                    continue
                if str(message.id) in found:
                    raise UntranslatedText(f"the text {message.id!r} stands twice in {language}: {path.name}")
                found[str(message.id)] = "" if message.fuzzy else str(message.string)
    return found
