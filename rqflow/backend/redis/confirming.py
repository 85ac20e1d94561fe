"""Confirming: what is sent behind calls that promise something, and whether enough servers have them. No I/O.

WAIT and WAITAOF answer for what the same connection wrote last. A repeated request writes nothing, and newer servers
would then count every replica at once, so a write that changes nothing (mark.lua) goes in front of them: replication
is one stream, so whoever has the mark has all that came before it.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from rqflow.backend.calls.call import Call
from rqflow.backend.calls.durability import Durability
from rqflow.backend.redis.address import Endpoint
from rqflow.backend.redis.refusals import explain, kind_of
from rqflow.backend.redis.resp import RedisCommand, ServerError
from rqflow.backend.redis.scripts import load
from rqflow.errors import BackendUnavailable, NotDurable, RqflowError

_DEMOTED: Final = frozenset({"READONLY", "UNBLOCKED"})


@dataclass(frozen=True, slots=True)
class Confirmation:
    """What is asked for behind a pipeline."""

    durability: Durability
    seconds: float
    """That it may take."""

    def commands(self, meta: str) -> tuple[RedisCommand, RedisCommand]:
        """The mark in the partition of `meta`, and the wait."""
        # Zero would mean for ever.
        within_ms = max(1, round(self.seconds * 1_000))
        wait: RedisCommand = ("WAIT", self.durability.replicas, within_ms)
        if self.durability.flushed:
            wait = ("WAITAOF", 1, self.durability.replicas, within_ms)
        return ("EVAL", load("mark").source, 1, meta), wait

    def lacking(self, replies: Sequence[Any], where: Endpoint) -> Lack | None:
        """What the replies to these commands leave open, None if it holds."""
        for reply in replies:
            if isinstance(reply, ServerError):
                return Lack(self, str(explain(reply, where, doing="WAIT")), demoted=_is_demotion(reply))
        counts = replies[-1]
        disk, replicas = counts if isinstance(counts, list) else (1, counts)
        if disk >= 1 and replicas >= self.durability.replicas:
            return None
        had = f"{replicas} of {self.durability.replicas} replicas had it"
        if self.durability.flushed:
            had += f" on disk, its own disk {'had' if disk else 'had not'}"
        return Lack(self, f"{had} within {self.seconds:g} s", replicas=replicas)


@dataclass(frozen=True, slots=True)
class Lack:
    """Why calls that were carried out are not confirmed."""

    confirmation: Confirmation
    known: str
    replicas: int = 0
    demoted: bool = False
    """The server is no master any more: what it did may be undone by the one that is."""

    def error(self, call: Call[Any]) -> RqflowError:
        """For whoever was to be told that it is accepted."""
        if self.demoted:
            return BackendUnavailable(f"{self.known}; it has become a replica, the next try looks for its master")
        instance, schedule = getattr(call, "instance", ""), getattr(call, "schedule", "")
        named = f"schedule {schedule!r}" if schedule else f"instance {instance!r}"
        durability = self.confirmation.durability.text
        return NotDurable(
            f"{named}: accepted by the master, but not known to be as safe as durability {durability} "
            f"asks: {self.known}. It goes on unless the master is lost before others have it; {call.if_unsure}",
            instance=instance,
            schedule=schedule,
            durability=durability,
            replicas=self.replicas,
        )


def _is_demotion(error: ServerError) -> bool:
    return kind_of(error) in _DEMOTED or "replica instances" in error.text
