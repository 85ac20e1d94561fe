"""Streams: the tickets of all tasks, queued in order and leased to workers."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count
from typing import Literal, TypeAlias

from rqflow.core.events import Payload

Kind: TypeAlias = Literal["task", "query", "activity", "cancel", "wake"]


def workflows_of(queue: str) -> str:
    """The stream of a queue's workflow tasks, questions and wake entries."""
    return f"workflows:{queue}"


def activities_of(queue: str) -> str:
    """The stream of a queue's activity tasks."""
    return f"activities:{queue}"


def own_of(worker: str) -> str:
    """A worker's own stream: sticky workflow tasks, questions, cancel notices."""
    return f"worker:{worker}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What a query ticket asks."""

    query: str
    name: str
    payload: Payload
    expires_at_ms: int


@dataclass(slots=True, kw_only=True)
class Ticket:
    """A task in a stream. It names what is to be done; the rows hold the rest."""

    kind: Kind
    instance: str = ""
    run: str = ""
    id: int = 0
    question: Question | None = None
    canceled: str = ""
    """The token of the activity that a cancel notice is about."""
    token: str = ""
    """Its id and fence, given by the stream."""
    stream: str = ""
    queued_at_ms: int = 0
    worker: str = ""
    """Who has it on lease; empty: nobody."""
    lost: bool = False
    """Of a question: a worker has died with it."""


@dataclass(slots=True)
class Streams:
    """All tickets of a partition."""

    queued: dict[str, dict[str, Ticket]] = field(default_factory=dict)
    """By stream, oldest first. A stream without tickets is not there."""
    leased: dict[str, dict[str, Ticket]] = field(default_factory=dict)
    """By worker."""
    tickets: dict[str, Ticket] = field(default_factory=dict)
    """All, by token."""
    fed: set[str] = field(default_factory=set)
    """Streams that got a ticket since somebody looked."""
    numbers: count[int] = field(default_factory=lambda: count(1))

    def put(self, stream: str, ticket: Ticket, now_ms: int) -> str:
        """Queue a ticket at the end of a stream, under a new token."""
        ticket.token = f"{next(self.numbers)}-0"
        ticket.stream = stream
        ticket.queued_at_ms = now_ms
        ticket.worker = ""
        self.tickets[ticket.token] = ticket
        self.queued.setdefault(stream, {})[ticket.token] = ticket
        self.fed.add(stream)
        return ticket.token

    def lease(self, ticket: Ticket, worker: str) -> None:
        """Hand a queued ticket to a worker."""
        self._unlist(self.queued, ticket.stream, ticket.token)
        ticket.worker = worker
        self.leased.setdefault(worker, {})[ticket.token] = ticket

    def drop(self, token: str) -> Ticket | None:
        """Forget a ticket, queued or leased. None if there is none."""
        ticket = self.tickets.pop(token, None)
        if ticket is None:
            return None
        if ticket.worker:
            self._unlist(self.leased, ticket.worker, token)
        else:
            self._unlist(self.queued, ticket.stream, token)
        return ticket

    def waiting(self, stream: str) -> list[Ticket]:
        """The queued tickets of a stream, oldest first."""
        return list(self.queued.get(stream, {}).values())

    def held(self, worker: str) -> list[Ticket]:
        """What a worker has on lease, oldest first."""
        return list(self.leased.get(worker, {}).values())

    @staticmethod
    def _unlist(lists: dict[str, dict[str, Ticket]], name: str, token: str) -> None:
        tickets = lists[name]
        del tickets[token]
        if not tickets:
            del lists[name]
