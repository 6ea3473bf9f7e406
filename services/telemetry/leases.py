"""Who works on which site: leases in Redis, taken, renewed and given up so that the workers share evenly.

    leases = Leases(connect(url), "ingest", worker_id)
    while running:                          # about once a second
        mine = leases.hold(sites)           # these and no others are mine now
        ...                                 # stop working on what is no longer in it
        leases.let_go(before - mine)        # another worker may take them at once

One script a round: Redis runs it whole, so that two workers never see one lease free. All keys of a group
carry its name as hash tag and lie on one node of a cluster. A lease is ``{worker} {fence}``; the fence rises
with every new holder. Lifetimes are counted by Redis; the holder counts its own, from before it asked, on a
clock that nobody sets: after a pause longer than that it knows by itself that it may no longer act.
"""

import time
from collections.abc import Callable, Collection, Iterable, Mapping
from types import MappingProxyType
from typing import Any, Final

from services.telemetry.store import told

TTL_S: Final = 3.0
_CLOCK: Final = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)  # counts a suspended machine's time too

# KEYS: workers, fences, one lease a name. ARGV: worker, lifetime in ms, the names.
# A lifetime beyond the longest possible means that the server's clock was set back: it counts as over.
_HOLD: Final = """
local me, ttl, size = ARGV[1], tonumber(ARGV[2]), #KEYS - 2
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
redis.call('ZREMRANGEBYSCORE', KEYS[1], '(' .. now + ttl, '+inf')
redis.call('ZADD', KEYS[1], now + ttl, me)

local holder, fence, count = {}, {}, {[me] = 0}
for i = 1, size do
    local lease = redis.call('GET', KEYS[i + 2])
    if lease and redis.call('PTTL', KEYS[i + 2]) <= ttl then
        holder[i], fence[i] = string.match(lease, '^(.*) (%d+)$')
        count[holder[i]] = (count[holder[i]] or 0) + 1
    end
end

local workers = redis.call('ZCARD', KEYS[1])
local least, over = math.floor(size / workers), size % workers
local full = {}
for worker, held in pairs(count) do
    if held > least then full[#full + 1] = worker end
end
table.sort(full, function(a, b)
    if count[a] ~= count[b] then return count[a] > count[b] end
    return a < b
end)
local share = least
if count[me] > least then
    for rank = 1, math.min(over, #full) do
        if full[rank] == me then share = least + 1 end
    end
elseif #full < over then
    share = least + 1
end

local kept, surplus, taken = {}, {}, count[me]
for i = 1, size do
    if holder[i] == me then
        redis.call('PEXPIRE', KEYS[i + 2], ttl)
        local into = #kept / 2 < share and kept or surplus
        into[#into + 1], into[#into + 2] = ARGV[i + 2], tonumber(fence[i])
    end
end
for i = 1, size do
    if not holder[i] and taken < share then
        local number = redis.call('HINCRBY', KEYS[2], ARGV[i + 2], 1)
        redis.call('SET', KEYS[i + 2], me .. ' ' .. string.format('%d', number), 'PX', ttl)
        kept[#kept + 1], kept[#kept + 2] = ARGV[i + 2], number
        taken = taken + 1
    end
end
return {kept, surplus}
"""
# KEYS: leases. ARGV: worker.
_LET_GO: Final = """
local freed = 0
for i = 1, #KEYS do
    local lease = redis.call('GET', KEYS[i])
    if lease and string.match(lease, '^(.*) %d+$') == ARGV[1] then
        freed = freed + redis.call('DEL', KEYS[i])
    end
end
return freed
"""


def lease_key(group: str, name: str) -> str:
    """Where the lease of one name lies."""
    return f"lease:{{{group}}}:{name}"


def workers_key(group: str) -> str:
    """Sorted set of a group's living workers, by the millisecond until which they count as living."""
    return f"workers:{{{group}}}"


def fences_key(group: str) -> str:
    """Hash name -> how often it has changed hands."""
    return f"fences:{{{group}}}"


def _now() -> float:
    return time.clock_gettime(_CLOCK)


class Leases:
    """One worker's leases in one group; ``hold`` and ``let_go`` for one thread, ``holds`` for any."""

    def __init__(
        self,
        redis: Any,
        group: str,
        worker: str,
        *,
        ttl_s: float = TTL_S,
        clock: Callable[[], float] = _now,
    ) -> None:
        if not worker or any(letter.isspace() for letter in worker):
            raise ValueError(f"worker is {worker!r}: a name without white space is needed")
        self._redis = redis
        self._group = group
        self._worker = worker
        self._ttl_s = ttl_s
        self._clock = clock
        self._mine: Mapping[str, int] = MappingProxyType({})
        self._surplus: frozenset[str] = frozenset()
        self._until = 0.0

    @property
    def ttl_s(self) -> float:
        """How long a lease lasts without being renewed (s); ask three times as often."""
        return self._ttl_s

    def hold(self, names: Iterable[str]) -> frozenset[str]:
        """Renew, take what is free, keep to a fair share of ``names``; which of them are mine now.

        What was mine and is not in the answer belongs to another worker (it is too late to stop orderly) or
        is to be given up: stop working on it, then ``let_go`` or call again. Raises StoreUnavailable: then
        what was mine stays mine until ``left_s`` has run out.
        """
        wanted = sorted(set(names))
        gone = self._surplus | (self._mine.keys() - set(wanted))
        if gone:
            self.let_go(gone)
        began = self._clock()
        keys = [workers_key(self._group), fences_key(self._group)]
        keys += [lease_key(self._group, name) for name in wanted]
        with told():
            kept, surplus = self._redis.eval(
                _HOLD, len(keys), *keys, self._worker, round(self._ttl_s * 1000), *wanted
            )
        self._surplus = frozenset(_pairs(surplus))
        self._until = began + self._ttl_s
        self._mine = MappingProxyType(_pairs(kept))
        return frozenset(self._mine)

    def let_go(self, names: Collection[str]) -> None:
        """Give leases up, so that another worker may take them at once; those of others stay as they are."""
        self._mine = MappingProxyType(
            {name: fence for name, fence in self._mine.items() if name not in names}
        )
        self._surplus -= frozenset(names)
        if names:
            self._run(_LET_GO, [lease_key(self._group, name) for name in names])

    def close(self) -> None:
        """Give everything up and count no longer as a worker. StoreUnavailable: then it all expires."""
        self.let_go({*self._mine, *self._surplus})
        with told():
            self._redis.zrem(workers_key(self._group), self._worker)

    @property
    def names(self) -> frozenset[str]:
        """What the last ``hold`` answered, less what was let go."""
        return frozenset(self._mine)

    def left_s(self) -> float:
        """Seconds for which the leases certainly hold without another ``hold``; 0 when they may be gone."""
        return max(0.0, self._until - self._clock())

    def holds(self, name: str) -> bool:
        """Whether ``name`` is certainly mine now: false at once after a pause beyond the lifetime."""
        return name in self._mine and self.left_s() > 0

    def fence(self, name: str) -> int | None:
        """How often the lease has changed hands, this time included; None when it is not mine.

        A number other than before says that it was lost and regained.
        """
        return self._mine.get(name)

    def _run(self, script: str, keys: list[str]) -> None:
        with told():
            self._redis.eval(script, len(keys), *keys, self._worker)


def _pairs(flat: list[Any]) -> dict[str, int]:
    """[name, fence, name, fence, ...] as the script answers it."""
    return {name.decode(): int(fence) for name, fence in zip(flat[::2], flat[1::2], strict=True)}
