"""RESP: commands to bytes and bytes to replies; the one home of hiredis."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, TypeAlias

import hiredis

Argument: TypeAlias = str | bytes | int | float
RedisCommand: TypeAlias = tuple[Argument, ...]
"""A command and its arguments, as Redis takes it."""


class ServerError(Exception):
    """An error reply, as a value: `WORD rest of the message`. Never leaves this folder (see refusals.py)."""

    @property
    def text(self) -> str:
        """The whole message."""
        return str(self.args[0])

    @property
    def word(self) -> str:
        """Its first word, which says the kind: NOSCRIPT, MOVED, OOM, ERR …"""
        return self.text.partition(" ")[0]


class BrokenReply(Exception):
    """Bytes that are no RESP: this is no Redis, or the connection is out of step."""


NOTHING: Final = object()
"""What `Reader.gets` gives while a reply is not complete."""


def pack(commands: Iterable[RedisCommand]) -> bytes:
    """Commands, ready for the wire."""
    return b"".join([hiredis.pack_command(command) for command in commands])  # type: ignore[arg-type]  # any width


def new_reader() -> hiredis.Reader:
    """Parses replies as they come: bytes for strings, ServerError for errors, RESP 2."""
    return hiredis.Reader(protocolError=BrokenReply, replyError=ServerError, notEnoughData=NOTHING)


def text_of(value: Any) -> str:
    """A reply that is text."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
