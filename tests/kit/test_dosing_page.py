import re
from pathlib import Path

import yaml

from services.kit.therapy import dosing
from services.kit.therapy import prescription as rx

PAGE = (Path(__file__).parents[2] / "docs" / "dosing.md").read_text(encoding="utf-8")
TABLE = dosing.load()


def test_the_page_names_every_field_of_a_prescription():
    """A field nobody can look up is a field somebody gets wrong."""
    named = set(re.findall(r"`(\w+)`", PAGE))
    assert set(rx.Prescription.model_fields) <= named


def test_the_page_lists_every_limit_that_is_not_of_our_own_design():
    """Whoever disputes a limit must find where it comes from."""
    for row in TABLE.limit:
        assert row.standing == "design" or f"`{row.id}`" in PAGE, row.id


def test_the_pages_segments_are_the_tables():
    """The page and the bed must show the same angles."""
    for row in TABLE.segment:
        line = f"| {row.region} | {row.segment} | {row.angle_deg:g} | {row.least_deg:g} to {row.most_deg:g} |"
        assert line in PAGE


def test_the_pages_example_is_within_every_limit():
    """People copy examples."""
    (example,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    assert rx.check_document(yaml.safe_load(example)) == []
