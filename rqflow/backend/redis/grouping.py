"""Grouping: consecutive calls of one script in one partition travel as one EVALSHA, and are answered one by one.

A script costs Redis as much before its first line as its work does after it: functions and arguments are made, the
clock is read, its writes are wrapped in a transaction. A group pays that once. A call that breaks, breaks alone
(lua/parts/items.lua); what refuses a group as a whole (no such script, another server, a slot on its way) does so
before any of it was carried out.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from rqflow.backend.redis.address import Endpoint
from rqflow.backend.redis.commands import Command
from rqflow.backend.redis.resp import RedisCommand, ServerError
from rqflow.backend.redis.scripts import Argument

ITEMS: Final = 32
"""Calls of a group at most. One takes 15 to 60 µs, so that Redis is held for 2 ms at most; 32 share the fixed cost so
far that more would save nothing that can be measured."""
BYTES: Final = 65_536
"""Size of a group's arguments at most, if it has more than one call."""
ARGUMENT_BYTES: Final = 32
"""What an argument adds to its length: a turn that asks for hundreds of activities is big however short their names."""


@dataclass(slots=True)
class Group:
    """Commands that go out as one."""

    commands: list[Command[Any]]
    """One at first."""
    detour: Endpoint | None = None
    """Where an ASK sent them."""
    size: int = 0
    """Of all of them, once there are two."""

    def add(self, command: Command[Any], detour: Endpoint | None) -> bool:
        """Whether it may travel with these, and does now."""
        first = self.commands[0]
        alike = command.script is first.script and command.keys == first.keys and detour == self.detour
        if not alike or not first.script.many or len(self.commands) == ITEMS:
            return False
        size = (self.size or size_of(first)) + size_of(command)
        if size > BYTES:
            return False
        self.size = size
        self.commands.append(command)
        return True

    def evaluation(self) -> RedisCommand:
        """The EVALSHA that carries them out."""
        first = self.commands[0]
        head: RedisCommand = ("EVALSHA", first.script.sha, len(first.keys), *first.keys)
        if not first.script.many:
            return (*head, *first.arguments)
        packed: list[Argument] = [len(self.commands)]
        for command in self.commands:
            packed.append(len(command.arguments))
            packed += command.arguments
        return (*head, *packed)

    def replies(self, reply: Any) -> Sequence[Any]:
        """The reply of each of them; a ServerError for one that broke, or for all if they were refused."""
        count = len(self.commands)
        if isinstance(reply, ServerError) or not self.commands[0].script.many:
            return [reply] * count
        try:
            answers, broken = reply
            for number, error in zip(broken[::2], broken[1::2], strict=True):
                answers[number - 1] = ServerError(error.decode(errors="replace"))
            if len(answers) == count:
                return answers  # type: ignore[no-any-return]
        except (ValueError, TypeError, LookupError, AttributeError):
            pass
        return [ServerError(f"ERR what is not an answer to {count} calls")] * count


def size_of(command: Command[Any]) -> int:
    """Of the arguments, as far as they bear on how long Redis is held."""
    arguments = command.arguments
    return ARGUMENT_BYTES * len(arguments) + sum([len(each) for each in arguments if not isinstance(each, int)])
