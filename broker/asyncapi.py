"""The contract as AsyncAPI 3: one channel a stream, one operation to send and one to receive it."""

import json
from typing import Any

from broker.contract import CLINIC, ROOT, SLUG, STREAMS, Stream
from broker.examples import DEVICE, EXAMPLES, GATEWAY, SITE

VERSION = "1.0.0"
BINDING = "0.2.0"

DESCRIPTION = """\
Everything that Spondyl's gateways and services say over MQTT 5. Payloads are JSON; unknown fields are to be
ignored. Streams marked `stable` keep their fields within v1; fields may be added. No name, birth date or
other direct identifier of a person is in any topic or payload. Spondyl is not a certified medical device."""

_PARAMETERS = {
    "site": {"description": f"A clinic of the chain: `{SLUG}`, at most 40 characters.", "examples": [SITE]},
    "device": {"description": f"A bed, unique within its site: `{SLUG}`.", "examples": [DEVICE]},
    "gateway": {"description": f"The computer at the beds: `{SLUG}`.", "examples": [GATEWAY]},
}


def asyncapi() -> dict[str, Any]:
    """The whole document."""
    streams = STREAMS.values()
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "Spondyl",
            "version": VERSION,
            "description": DESCRIPTION,
            "license": {"name": "Apache-2.0"},
        },
        "defaultContentType": "application/json",
        "servers": {
            "broker": {
                "host": "{host}:{port}",
                "protocol": "mqtt",
                "protocolVersion": "5",
                "description": "A clinic's own broker, or the central one.",
                "variables": {"host": {"default": "127.0.0.1"}, "port": {"default": "1883"}},
                "security": [{"$ref": "#/components/securitySchemes/password"}],
            }
        },
        "channels": {stream.name: _channel(stream) for stream in streams},
        "operations": {name: operation for stream in streams for name, operation in _operations(stream)},
        "components": {
            "messages": {stream.name: _message(stream) for stream in streams},
            "securitySchemes": {
                "password": {
                    "type": "userPassword",
                    "description": "One user a role; see docs/integrators.md.",
                }
            },
        },
    }


def address(stream: Stream) -> str:
    """The stream's topic with its parameters in braces."""
    place = {"device": "{device}", "gateway": "{gateway}", "clinic": CLINIC}[stream.scope]
    return f"{ROOT}/{{site}}/{place}/{stream.name}"


def _channel(stream: Stream) -> dict[str, Any]:
    names = ("site",) if stream.scope == "clinic" else ("site", stream.scope)
    return {
        "address": address(stream),
        "summary": stream.summary,
        "parameters": {name: _PARAMETERS[name] for name in names},
        "messages": {stream.message.__name__: {"$ref": f"#/components/messages/{stream.name}"}},
        "x-producers": list(stream.producers),
        "x-consumers": list(stream.consumers),
        "x-rate-hz": stream.rate_hz,
        "x-max-bytes": stream.max_bytes,
        "x-durable": stream.durable,
        "x-will": stream.will,
        "x-stability": stream.stability,
    }


def _operations(stream: Stream) -> list[tuple[str, dict[str, Any]]]:
    channel = {"$ref": f"#/channels/{stream.name}"}
    binding: dict[str, Any] = {"qos": stream.qos, "retain": stream.retain, "bindingVersion": BINDING}
    if stream.expiry_s is not None:
        binding["messageExpiryInterval"] = stream.expiry_s
    name = stream.name.capitalize()
    send: dict[str, Any] = {"action": "send", "channel": channel, "bindings": {"mqtt": binding}}
    if stream.name == "command":
        send["reply"] = {"channel": {"$ref": "#/channels/reply"}}
    receiving = {"mqtt": {"qos": stream.qos, "bindingVersion": BINDING}}
    receive = {"action": "receive", "channel": channel, "bindings": receiving}
    return [(f"send{name}", send), (f"receive{name}", receive)]


def _message(stream: Stream) -> dict[str, Any]:
    binding: dict[str, Any] = {
        "payloadFormatIndicator": 1,
        "contentType": "application/json",
        "bindingVersion": BINDING,
    }
    if stream.name == "command":
        binding["responseTopic"] = address(STREAMS["reply"])
    if stream.name in ("command", "reply"):
        binding["correlationData"] = {"type": "string", "description": "Given back in the reply, as it was."}
    return {
        "name": stream.message.__name__,
        "summary": (stream.message.__doc__ or "").strip(),
        "contentType": "application/json",
        "payload": {"$ref": f"./schemas/{stream.name}.json"},
        "bindings": {"mqtt": binding},
        "examples": [{"payload": json.loads(EXAMPLES[stream.name].model_dump_json())}],
    }
