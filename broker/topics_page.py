"""docs/topics.md: the contract for people; a table first, then every stream, its fields and an example."""

import json
from typing import Any

from broker.asyncapi import address
from broker.contract import STREAMS, Stream
from broker.examples import EXAMPLES
from broker.schemas import schema_of

_HEAD = """\
# Topics

Generated from `broker/contract.py` by `spondyl contract export`; do not edit. How to subscribe in a minute,
what is stable and how to detect a gap: [integrators.md](integrators.md).

Names of sites, devices and gateways are lower-case letters, digits and single dashes, at most 40 characters.
Payloads are JSON in UTF-8; unknown fields are to be ignored. Units stand in the names: `_n` newtons, `_mm`
millimetres, `_s` seconds, `_ms` milliseconds. Times are RFC 3339 with an offset. Numbers are finite.
"""


def topics_page() -> str:
    """The whole page as Markdown."""
    parts = [_HEAD, _overview(), *(_section(stream) for stream in STREAMS.values())]
    return "\n".join(parts)


def _overview() -> str:
    rows = [
        "| stream | topic | QoS | retained | expires | most a second | from | what |",
        "|---|---|---|---|---|---|---|---|",
    ]
    rows += [
        f"| [{stream.name}](#{stream.name}) | `{address(stream)}` | {stream.qos} | {_yes(stream.retain)}"
        f" | {_expiry(stream)} | {_rate(stream)} | {', '.join(stream.producers)} | {stream.summary} |"
        for stream in STREAMS.values()
    ]
    return "\n".join([*rows, ""])


def _section(stream: Stream) -> str:
    schema = schema_of(stream)
    example = json.dumps(json.loads(EXAMPLES[stream.name].model_dump_json()), indent=2, ensure_ascii=False)
    facts = [
        f"- topic `{address(stream)}`, QoS {stream.qos}, {'retained' if stream.retain else 'not retained'}"
        + (f", expires after {stream.expiry_s} s" if stream.expiry_s else "")
        + (", also said by the gateway's will" if stream.will else ""),
        f"- from {', '.join(stream.producers)}; for {', '.join(stream.consumers)}",
        f"- {_often(stream)}; at most {stream.max_bytes} bytes; {stream.stability}",
    ]
    if stream.durable:
        facts.append(
            "- kept on the gateway's disk until telemetry has said `committed`; it may come more than once"
        )
    tables = [_fields(schema, stream.message.__name__)]
    tables += [_fields(part, name) for name, part in schema.get("$defs", {}).items() if "properties" in part]
    return "\n".join(
        [f"## {stream.name}", "", stream.summary, "", *facts, "", *tables, "```json", example, "```", ""]
    )


def _fields(schema: dict[str, Any], name: str) -> str:
    rows = [
        f"{name}: {schema.get('description', '')}",
        "",
        "| field | type | unit | meaning |",
        "|---|---|---|---|",
    ]
    required = schema.get("required", [])
    for field, facts in schema["properties"].items():
        shown = f"`{field}`" if field in required else f"`{field}` (optional)"
        rows.append(
            f"| {shown} | {_type(facts)} | {facts.get('x-unit', '')} | {facts.get('description', '')} |"
        )
    return "\n".join([*rows, ""])


def _type(facts: dict[str, Any]) -> str:
    """A field's type in words: `list of number`, `string (uuid) or null`."""
    if "$ref" in facts:
        name = str(facts["$ref"]).rsplit("/", 1)[-1]
        return "any JSON" if name == "JsonValue" else name
    if "anyOf" in facts:
        return " or ".join(_type(part) for part in facts["anyOf"])
    if "enum" in facts:
        return ", ".join(f"`{value}`" for value in facts["enum"])
    if facts.get("type") == "array":
        return f"list of {_type(facts['items'])}"
    if facts.get("type") == "object":
        values = facts.get("additionalProperties")
        return f"object of {_type(values)}" if isinstance(values, dict) else "object"
    words = str(facts.get("type", "any JSON"))
    detail = facts.get("format") or _range(facts)
    return f"{words} ({detail})" if detail else words


def _range(facts: dict[str, Any]) -> str:
    low = facts.get("minimum", facts.get("exclusiveMinimum"))
    high = facts.get("maximum")
    if low is None and high is None:
        return ""
    if high is None or high == 2**53 - 1:
        return f"{'above' if 'exclusiveMinimum' in facts else 'from'} {low:g}"
    return f"{low:g} to {high:g}"


def _yes(value: bool) -> str:  # noqa: FBT001  (a flag is all it takes)
    return "yes" if value else ""


def _expiry(stream: Stream) -> str:
    return f"{stream.expiry_s} s" if stream.expiry_s else ""


def _rate(stream: Stream) -> str:
    return f"{stream.rate_hz:g}" if stream.rate_hz else "on change"


def _often(stream: Stream) -> str:
    return f"at most {stream.rate_hz:g} a second and device" if stream.rate_hz else "on change"
