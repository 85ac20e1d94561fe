"""RESP: commands to bytes, and what the Redis client raises back to error replies as values."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, TypeAlias

import hiredis
from redis.exceptions import RedisError, ResponseError

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


_pack: Callable[[RedisCommand], bytes] = hiredis.pack_command  # type: ignore[assignment]  # takes longer tuples, too


def pack(commands: Iterable[RedisCommand]) -> bytes:
    """Commands, ready for the wire."""
    return b"".join([_pack(command) for command in commands])


def error_reply(error: Exception) -> ServerError | None:
    """The error reply that was raised, some of them as connection errors; None if it is another mishap."""
    if not isinstance(error, RedisError):
        return None
    if error.status_code is not None:
        return ServerError(f"{error.status_code} {error}")
    return ServerError(str(error)) if isinstance(error, ResponseError) else None


def text_of(value: Any) -> str:
    """A reply that is text."""
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
