"""The exact grammar of topics: built from the contract, parsed back, anything else refused.

``spondyl/v1/{site}/{device}/{stream}`` for a bed or a gateway, ``.../{site}/clinic/{stream}`` for a site.
"""

import functools
import re
from dataclasses import dataclass

from broker.contract import CLINIC, ROOT, SLUG, STREAMS, Stream

MAX_NAME = 40
ANY = "+"

_NAME = re.compile(SLUG)


class TopicError(ValueError):
    """A name or a topic that the contract does not know."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where a message belongs; ``device`` is a bed, a gateway, or None for a stream of the whole site."""

    stream: Stream
    site: str
    device: str | None = None

    @property
    def topic(self) -> str:
        """The topic of this address."""
        return topic(self.stream, self.site, self.device)


def topic(stream: Stream, site: str, device: str | None = None) -> str:
    """The topic of one site and device; TopicError when a name is malformed, missing or too much."""
    _check(stream, site, device)
    return f"{ROOT}/{site}/{device or CLINIC}/{stream.name}"


def topic_filter(stream: Stream, site: str = ANY, device: str | None = ANY) -> str:
    """The subscription that matches the stream; ``+`` stands for any site or any device."""
    place = None if stream.scope == "clinic" and device == ANY else device
    _check(stream, "any" if site == ANY else site, "any" if place == ANY else place)
    return f"{ROOT}/{site}/{place or CLINIC}/{stream.name}"


@functools.lru_cache(maxsize=32_768)
def parse(text: str) -> Address:
    """The address a topic stands for; TopicError saying which part is wrong."""
    head, parts = text[: len(ROOT) + 1], text[len(ROOT) + 1 :].split("/")
    if head != f"{ROOT}/" or len(parts) != 3:  # noqa: PLR2004  (site, device, stream)
        raise TopicError(
            f"{text[:200]!r} is no topic of this contract: {ROOT}/{{site}}/{{device}}/{{stream}}"
        )
    site, place, name = parts
    stream = STREAMS.get(name)
    if stream is None:
        raise TopicError(f"{name[:80]!r} is no stream of the contract (docs/topics.md)")
    if (place == CLINIC) != (stream.scope == "clinic"):
        wanted = f"`{CLINIC}`" if stream.scope == "clinic" else f"a {stream.scope}"
        raise TopicError(f"{text[:200]!r}: {wanted} stands before `{name}`, not {place[:80]!r}")
    device = None if stream.scope == "clinic" else place
    _check(stream, site, device)
    return Address(stream, site, device)


def check_name(what: str, name: str) -> None:
    """TopicError unless ``name`` may stand in a topic as a site, device or gateway."""
    if not _NAME.fullmatch(name) or len(name) > MAX_NAME:
        raise TopicError(
            f"{what} {name[:80]!r}: lower-case letters, digits, single dashes between, at most {MAX_NAME}"
        )


def _check(stream: Stream, site: str, device: str | None) -> None:
    check_name("site", site)
    if stream.scope == "clinic":
        if device is not None:
            raise TopicError(
                f"`{stream.name}` speaks for a whole site: it has no device, not {device[:80]!r}"
            )
        return
    if device is None:
        raise TopicError(f"`{stream.name}` needs the name of a {stream.scope}")
    check_name(stream.scope, device)
    if device == CLINIC:
        raise TopicError(f"`{CLINIC}` is kept for streams of a whole site: it cannot name a {stream.scope}")
