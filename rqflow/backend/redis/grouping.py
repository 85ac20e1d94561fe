"""Grouping: consecutive calls of one script in one partition travel as one EVALSHA, and are answered one by one.

A script costs Redis as much before its first line as its work does after it: functions and arguments are made, the
clock is read, its writes are wrapped in a transaction. A group pays that once. A call that breaks, breaks alone
(lua/parts/items.lua); what refuses a group as a whole (no such script, another server, a slot on its way) does so
before any of it was carried out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from rqflow.backend.redis.commands import Command
from rqflow.backend.redis.resp import RedisCommand, ServerError

ITEMS: Final = 32
"""Calls of a group at most. One takes 15 to 60 µs, so that Redis is held for 2 ms at most; 32 share the fixed cost so
far that more would save nothing that can be measured."""
BYTES: Final = 65_536
"""Size of a group's arguments at most, if it has more than one call."""
ARGUMENT_BYTES: Final = 32
"""What an argument adds to its length: a turn that asks for hundreds of activities is big however short their names."""


def size_of(command: Command[Any]) -> int:
    """Of the arguments, as far as they bear on how long Redis is held."""
    arguments = command.arguments
    return ARGUMENT_BYTES * len(arguments) + sum(len(each) for each in arguments if not isinstance(each, int))


def can_join(command: Command[Any], first: Command[Any], before: int, size: int) -> bool:
    """Whether a command may go with the `before` that stand in front of it, which have this size together with it."""
    same = command.script is first.script and command.keys == first.keys
    return same and first.script.many and before < ITEMS and size <= BYTES


def evaluation(group: Sequence[Command[Any]]) -> RedisCommand:
    """The EVALSHA that carries out a group: one command, or several that can join."""
    script, keys = group[0].script, group[0].keys
    if not script.many:
        return ("EVALSHA", script.sha, len(keys), *keys, *group[0].arguments)
    packed = [argument for command in group for argument in (len(command.arguments), *command.arguments)]
    return ("EVALSHA", script.sha, len(keys), *keys, len(group), *packed)


def replies_of(group: Sequence[Command[Any]], reply: Any) -> Sequence[Any]:
    """The reply of each command of a group; a ServerError for one that broke, or for all that were refused."""
    if isinstance(reply, ServerError):
        return [reply] * len(group)
    if not group[0].script.many:
        return [reply]
    try:
        answers, broken = reply
        for number, error in zip(broken[::2], broken[1::2], strict=True):
            answers[number - 1] = ServerError(error.decode(errors="replace"))
        if len(answers) == len(group):
            return answers  # type: ignore[no-any-return]
    except (ValueError, TypeError, LookupError, AttributeError):
        pass
    return [ServerError(f"ERR what is not an answer to {len(group)} calls")] * len(group)
