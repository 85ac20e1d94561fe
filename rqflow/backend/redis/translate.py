"""Translate: from a call to the command that carries it out on Redis."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeVar

from rqflow.backend.calls.call import Call
from rqflow.backend.redis import reads, writes
from rqflow.backend.redis.commands import Command, Place, Translator
from rqflow.errors import RqflowError

R = TypeVar("R")

TRANSLATORS: Final[Mapping[type[Call[Any]], Translator]] = {**reads.TRANSLATORS, **writes.TRANSLATORS}


def translate(call: Call[R], place: Place) -> Command[R] | RqflowError:
    """The command of a call, or the error of one that cannot be sent (a value past a limit, say)."""
    try:
        return TRANSLATORS[type(call)](call, place)
    except RqflowError as error:
        return error
