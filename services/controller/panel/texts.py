"""The page's texts in German and English."""

from services.kit.pages import Table

TEXTS: Table = {}
