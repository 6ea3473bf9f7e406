"""A JSON Schema (2020-12) per stream, from its message's model."""

import re
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from broker.contract import Stream

DIALECT = "https://json-schema.org/draft/2020-12/schema"
UNITS = {
    "n": "N",
    "mm": "mm",
    "ms": "ms",
    "s": "s",
    "hz": "Hz",
    "deg": "deg",
    "kg": "kg",
}


class _Plain(GenerateJsonSchema):
    """Pydantic's schemas without a title for every field: the name says it."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        """Never."""
        del schema
        return False


def schema_of(stream: Stream) -> dict[str, Any]:
    """The schema of a stream's payload; numbers carry their unit as ``x-unit``."""
    schema = stream.message.model_json_schema(schema_generator=_Plain)
    for definition in (schema, *schema.get("$defs", {}).values()):
        for name, field in definition.get("properties", {}).items():
            if unit := unit_of(name):
                field["x-unit"] = unit
    return {
        "$schema": DIALECT,
        "$id": f"urn:spondyl:v1:{stream.name}",
        "x-stability": stream.stability,
        "x-max-bytes": stream.max_bytes,
    } | schema


def unit_of(name: str) -> str | None:
    """The unit that a field's name ends in, if any: ``peak_n`` is in N."""
    found = re.search(r"_([a-z]+)$", name)
    return UNITS.get(found.group(1)) if found else None
