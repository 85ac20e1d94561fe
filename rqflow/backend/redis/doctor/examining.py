"""Examining: what one server tells of itself; what it does not tell is kept with the reason. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from rqflow.backend.redis.address import Endpoint
from rqflow.backend.redis.doctor.rights import roles, sample, script_names
from rqflow.backend.redis.fitness import Facts, facts_of
from rqflow.backend.redis.hubs import Errand
from rqflow.backend.redis.keys import key
from rqflow.backend.redis.refusals import kind_of
from rqflow.backend.redis.resp import RedisCommand, ServerError, text_of
from rqflow.backend.redis.routing import Routes, slot_of
from rqflow.backend.redis.scripts import load

SETTINGS: Final = (
    "appendfsync", "no-appendfsync-on-rewrite", "save", "min-replicas-to-write", "slowlog-log-slower-than",
    "lua-time-limit", "stream-node-max-bytes", "stream-node-max-entries", "timeout", "maxclients",
)  # fmt: skip
"""What is asked of CONFIG GET, one by one: never a setting that is a secret."""
PINGS: Final = 20
SLOW_ENTRIES: Final = 64
HUB_TRIES: Final = 100_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Clocks:
    """What time it is, and how much passes, in seconds."""

    now: Callable[[], float]
    steady: Callable[[], float]


@dataclass(slots=True, kw_only=True)
class Examined:
    """One server."""

    endpoint: Endpoint
    facts: Facts
    """Of INFO; empty if the user may not ask."""
    settings: Mapping[str, str]
    cluster: Mapping[str, str] = field(default_factory=dict)
    """Of CLUSTER INFO, on a node of a cluster."""
    unread: dict[str, str] = field(default_factory=dict)
    """Commands that were refused, and why."""
    lacking: Mapping[str, tuple[str, ...]] | None = None
    """By role, the commands that this user may not run; None: the server cannot tell."""
    pings: Sequence[float] = ()
    """Seconds of round trips, the shortest first."""
    ahead: float = 0.0
    """Seconds by which its clock is ahead of ours."""
    jump: float = 0.0
    """Seconds that its clock ran more (or less) than ours, while we looked."""
    slow: Mapping[str, float] = field(default_factory=dict)
    """Scripts of ours in its slow log, with their longest run in ms."""

    def number(self, name: str, default: int = 0) -> int:
        """A fact or a setting that is a number."""
        text = self.facts.get(name, self.settings.get(name, ""))
        return int(text) if text.lstrip("-").isdigit() else default


def examine(routes: Routes, endpoint: Endpoint, clocks: Clocks) -> Errand[Examined]:
    """Look at one server. Nothing is changed there."""
    unread: dict[str, str] = {}
    clock = yield from _clock(endpoint, clocks)
    asked: list[RedisCommand] = [("INFO",), ("SLOWLOG", "GET", SLOW_ENTRIES)]
    asked += [("CONFIG", "GET", name) for name in SETTINGS]
    info, slow, *settings = yield from _ask(endpoint, asked, unread)
    pings = []
    for _ in range(PINGS):
        before = clocks.steady()
        yield {endpoint: [("PING",)]}
        pings.append(clocks.steady() - before)
    found = Examined(
        endpoint=endpoint,
        facts=facts_of(info) if info is not None else {},
        settings={text_of(pair[0]): text_of(pair[1]) for pair in settings if pair},
        unread=unread,
        pings=sorted(pings),
        slow=_slow(slow or ()),
    )
    if found.facts.get("cluster_enabled") == "1":
        (reply,) = yield from _ask(endpoint, [("CLUSTER", "INFO")], unread)
        found.cluster = facts_of(reply) if reply is not None else {}
    found.lacking = yield from _rights(routes, endpoint)
    later = yield from _clock(endpoint, clocks)
    if clock is not None and later is not None:
        found.ahead = later[0] - later[1]
        found.jump = (later[0] - clock[0]) - (later[2] - clock[2])
    return found


def _ask(endpoint: Endpoint, commands: list[RedisCommand], unread: dict[str, str]) -> Errand[list[Any]]:
    """The replies, None where there is none."""
    replies = list((yield {endpoint: commands})[endpoint])
    for at, reply in enumerate(replies):
        if isinstance(reply, ServerError):
            unread.setdefault(" ".join(map(str, commands[at][:2])), reply.text[:200])
            replies[at] = None
    return replies


def _clock(endpoint: Endpoint, clocks: Clocks) -> Errand[tuple[float, float, float] | None]:
    """Its time, ours at the same moment, and ours that only runs forward."""
    before = clocks.steady()
    (reply,) = (yield {endpoint: [("TIME",)]})[endpoint]
    took = clocks.steady() - before
    if isinstance(reply, ServerError):
        return None
    return int(reply[0]) + int(reply[1]) / 1e6, clocks.now() - took / 2, before + took / 2


def _rights(routes: Routes, endpoint: Endpoint) -> Errand[dict[str, tuple[str, ...]] | None]:
    hub = _hub_of(routes, endpoint)
    script = load("check_rights")
    commands = sorted({command for needed in roles().values() for command in needed})
    arguments = script.pack(commands=[sample(command, hub) for command in commands])
    request: RedisCommand = ("EVAL", script.source, 1, key(hub, 0, "meta"), *arguments)
    (reply,) = (yield {endpoint: [request]})[endpoint]
    if isinstance(reply, ServerError):
        missing = "~rqflow:*" if "key" in reply.text else "eval"
        return dict.fromkeys(roles(), (missing,)) if kind_of(reply) == "NOPERM" else None
    if reply is None:
        return None
    lacking = {commands[number - 1] for number in reply}
    return {role: tuple(one for one in needed if one in lacking) for role, needed in roles().items()}


def _hub_of(routes: Routes, endpoint: Endpoint) -> str:
    """A name for a hub that nobody has, whose first partition this server would own; any if it owns hardly a slot."""
    names = (f"doctor-{number}" for number in range(HUB_TRIES))
    return next((name for name in names if routes.owner(slot_of(key(name, 0, "meta"))) == endpoint), "doctor-0")


def _slow(entries: Sequence[Any]) -> dict[str, float]:
    """Our scripts among the entries. Their arguments are not looked at."""
    ours = {load(name).sha: name for name in script_names()}
    found: dict[str, float] = {}
    for entry in entries:
        words = entry[3]
        name = ours.get(text_of(words[1])) if len(words) > 1 and text_of(words[0]).upper() == "EVALSHA" else None
        if name is not None:
            found[name] = max(found.get(name, 0.0), int(entry[2]) / 1_000)
    return found
