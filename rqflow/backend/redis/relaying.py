"""Relaying: messages between partitions, read from one, received by another, dropped from the first."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rqflow.backend.calls.call import Call
from rqflow.backend.calls.tasks import DropOutbox, Message, ReadOutbox, Receive
from rqflow.backend.redis.commands import Command, Place, Translator, nothing, number


def read_outbox(call: ReadOutbox, place: Place) -> Command[tuple[Message, ...]]:
    """What waits to be relayed."""
    return place.command(call, "read_outbox", _messages, limit=call.limit)


def _messages(reply: Any) -> tuple[Message, ...]:
    return tuple(Message(id=id.decode(), to=int(to), body=body) for id, to, body in reply)


def receive(call: Receive, place: Place) -> Command[int]:
    """Messages arrive."""
    messages = [(*message.id.split("-"), message.body) for message in call.messages]
    return place.command(call, "receive", number, source=call.source, incoming=messages)


def drop_outbox(call: DropOutbox, place: Place) -> Command[None]:
    """They have arrived."""
    return place.command(call, "drop_outbox", nothing, ids=call.ids)


TRANSLATORS: Final[Mapping[type[Call[Any]], Translator]] = {
    ReadOutbox: read_outbox,
    Receive: receive,
    DropOutbox: drop_outbox,
}
