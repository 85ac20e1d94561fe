"""Clocked: scripts whose clock is ours, so that a store in memory and one in Redis live at the same moment."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from datetime import timedelta
from functools import cache
from typing import Any, TypeVar, cast

import redis

from rqflow.backend.calls.call import Call
from rqflow.backend.calls.hubs import Limits
from rqflow.backend.redis.commands import Command
from rqflow.backend.redis.grouping import Group
from rqflow.backend.redis.resp import RedisCommand, ServerError
from rqflow.backend.redis.scripts import Script
from rqflow.backend.redis.translate import translate
from rqflow.errors import RqflowError
from tests.backend.redis_write.scripted import Scripted

R = TypeVar("R")
_TIME = "call('TIME')"
_OURS = "call('HMGET', 'clock:' .. KEYS[1], 's', 'us')"

Fault = Callable[[str, str], str]
"""Name and source of a script, and the source that is run instead."""


@cache
def _source(script: Script, fault: Fault | None) -> tuple[str, str]:
    """And its name."""
    source = script.source.replace(_TIME, _OURS)
    if fault is not None:
        source = fault(script.name, source)
    return source, hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()


class Clocked(Scripted):
    """A hub whose time moves when it is told to. `fault` plants one."""

    def __init__(
        self, server: redis.Redis, partitions: int = 1, limits: Limits | None = None, fault: Fault | None = None
    ) -> None:
        super().__init__(server, partitions, limits)
        self.now_ms = time.time_ns() // 1_000_000
        self.twice = False
        """Send each call that may travel with others twice in one group: the second one changes nothing."""
        self._fault = fault
        self._sources: dict[str, str] = {}
        self._set()

    def _set(self) -> None:
        seconds, ms = divmod(self.now_ms, 1_000)
        for partition in range(self.place.hub.partitions):
            clock = "clock:" + self.key("meta", partition=partition)
            self.redis.hset(clock, mapping={"s": str(seconds), "us": str(ms * 1_000)})

    def send(self, call: Call[R]) -> R | RqflowError:
        command = translate(call, self.place)
        if not isinstance(command, Command):
            return command
        source, sha = _source(command.script, self._fault)
        group = Group([command])
        if self.twice:
            group.add(command, None)
        arguments = group.evaluation()[2:]
        try:
            reply = self.redis.evalsha(sha, *arguments)  # type: ignore[arg-type]
        except redis.exceptions.NoScriptError:
            reply = self.redis.eval(source, *arguments)  # type: ignore[arg-type]
        return command.read(group.replies(reply)[0])

    def _reply(self, command: RedisCommand) -> Any:
        if command[0] == "SCRIPT":
            source = str(command[2]).replace(_TIME, _OURS)
            self._sources[hashlib.sha1(str(command[2]).encode(), usedforsecurity=False).hexdigest()] = source
            return b"OK"
        if command[1] not in self._sources:
            return ServerError("NOSCRIPT")
        return super()._reply(("EVAL", self._sources[str(command[1])], *command[2:]))

    def pass_by(self, span: timedelta) -> None:
        """Let time pass; what expires by itself is that much nearer."""
        ms = span // timedelta(milliseconds=1)
        self.now_ms += ms
        self._set()
        for name in cast("list[bytes]", self.redis.keys(f"rqflow:{{{self.place.hub.name}.*")):
            left = self.redis.pttl(name)
            if left >= 0:
                self.redis.pexpire(name, max(left - ms, 0))
