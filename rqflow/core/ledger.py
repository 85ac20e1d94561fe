"""Ledger: a run's commands: numbered as the code gives them, held against the records, and waiting for their ends.

P4 rests on it. A command belongs to the step in which it is given; one that is taken back in the same step was never
given (it keeps its number, and no record tells of it). At the end of a step each remaining command is either held
against the next record or, where the history has no more, becomes part of the decision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import fields, replace
from operator import attrgetter
from typing import Any, Final, TypeVar, get_args

from rqflow.core.commands import Command, ScheduleActivity, StartChild, record_of
from rqflow.core.events import ActivityScheduled, Record, SideEffectRecorded
from rqflow.core.gate import Gate
from rqflow.core.ids import child_run
from rqflow.core.states import COMMAND, advance
from rqflow.errors import CorruptEvent, LimitReached, ReplayMismatch

W = TypeVar("W")

MAX_COMMANDS_IN_STEP: Final = 50_000
"""More would not fit into a history; code that asks in an endless loop without awaiting is stopped here."""

_COMPARED: Final = ("id", "name", "workflow", "instance", "target", "update", "accepted")
"""What must agree besides the kind. Payloads, durations and options may change under a running instance."""
_KEYS: Final[dict[type[Any], tuple[str, ...]]] = {
    cls: tuple(field.name for field in fields(cls) if field.name in _COMPARED) for cls in get_args(Record)
}
_KEY: Final[dict[type[Any], Callable[[Any], Any]]] = {cls: attrgetter(*names) for cls, names in _KEYS.items()}


class Ledger:
    """All commands of one run, from the asking to the end."""

    __slots__ = (
        "_effects", "_followed", "_local", "_next", "_records", "_step", "again", "gate", "made", "number", "settled",
        "waiting",
    )  # fmt: skip

    def __init__(self, gate: Gate) -> None:
        self.gate = gate
        self.number = 0
        """Of the command given last."""
        self.settled = 0
        """Commands of the steps before this one: so many records the history has or will have."""
        self.made: list[Command] = []
        """Commands that no record of the history tells of: the decision's."""
        self.waiting: dict[int, Any] = {}
        """Command number → who is told of its end (see waiters.py)."""
        self.again: list[Command] = []
        """Commands that the history tells of, and that are asked for once more (see WorkflowRerun)."""
        self._followed: dict[int, Command] | None = None
        """Commands as the records have them, while a rerun begins."""
        self._local: list[tuple[ScheduleActivity, ActivityScheduled]] = []
        """Local activities that the loaded records tell of."""
        self._step: dict[int, Command] = {}
        self._records: list[Record] = []
        self._next = 0
        self._effects: dict[int, SideEffectRecorded] = {}

    def next_id(self, what: str) -> int:
        """The number of the command that is being given. Raises RunDropped, NotDeterministic, LimitReached."""
        self.gate.check(what)
        if len(self._step) >= MAX_COMMANDS_IN_STEP:
            raise LimitReached(
                "commands in one step of a workflow", MAX_COMMANDS_IN_STEP, "await some of them before asking for more"
            )
        self.number += 1
        return self.number

    def ask(self, command: Command, waiter: object | None = None) -> None:
        """Give a command; `waiter` is told of its end."""
        self._step[command.id] = command
        if waiter is not None:
            self.waiting[command.id] = waiter

    def withdraw(self, id: int) -> bool:
        """Stop waiting for a command. True if another command must now take it back, False if it was never given: it
        is of this very step."""
        del self.waiting[id]
        state = advance(COMMAND, "pending" if id in self._step else "committed", "cancel")
        if state == "canceled":
            del self._step[id]
        return state == "cancel_requested"

    def disregard(self, id: int) -> None:
        """Nobody is to be told of the end of this command any more; the command stays."""
        self.waiting.pop(id, None)

    def waiter(self, id: int, kind: type[W] | tuple[type[W], ...], what: str, *, ends: bool = True) -> W | None:
        """Who is to be told that command `id` ended. None if nobody is: it ended before or was taken back.

        Raises ReplayMismatch if the code has not given that command, CorruptEvent if it is of another kind.
        """
        found = self.waiting.get(id)
        if found is None:
            if 1 <= id <= self.number:
                return None
            raise ReplayMismatch(self.settled + 1, f"{what} of command {id}", f"only {self.number} commands so far")
        if not isinstance(found, kind):
            raise CorruptEvent(f"{what} names command {id}, which waits for something else")
        if ends:
            advance(COMMAND, "committed", "resolve")
            del self.waiting[id]
        return found

    # ---- the history's side ------------------------------------------------------------------------------------

    def load(self, records: list[Record], *, follow: bool = False) -> None:
        """Hold the coming commands against these. What an earlier batch brought has been used up.

        `follow`: remember the commands, because some will have to be asked for again."""
        self._records = records
        self._followed = {} if follow else None
        self._local = []
        self._next = 0
        self._effects = {each.id: each for each in records if isinstance(each, SideEffectRecorded)} if records else {}

    def recorded_effect(self, id: int) -> SideEffectRecorded | None:
        """What the history has for this side effect."""
        return self._effects.get(id)

    def settle(self, *, replaying: bool) -> None:
        """End a step. Raises ReplayMismatch where a command and its record differ."""
        if not self._step:
            return
        for command in self._step.values():
            self.settled += 1
            if self._next < len(self._records):
                record = self._records[self._next]
                self._next += 1
                asked, key = record_of(command), _KEY[type(record)]
                if type(asked) is not type(record) or key(asked) != key(record):
                    raise ReplayMismatch(self.settled, describe(record), describe(asked))
                if self._followed is not None:
                    self._followed[command.id] = as_recorded(command, record)
                if type(record) is ActivityScheduled and record.local:
                    self._local.append((command, record))  # type: ignore[arg-type]
            elif replaying:
                raise ReplayMismatch(self.settled, "no further command", describe(record_of(command)))
            else:
                self.made.append(command)
        self._step = {}

    def unfollowed(self, records: int) -> Record | None:
        """The first of so many records of the batch that the code has not asked for yet."""
        return self._records[self._next] if self._next < records else None

    def redo(self, ids: Iterable[int], run: str) -> None:
        """Ask again for those of these commands that are awaited; a child begins as another run. Not at replay."""
        followed = self._followed or {}
        for id in ids:
            command = followed.get(id) if id in self.waiting else None
            if isinstance(command, StartChild):
                self.again.append(replace(command, run=child_run(run, id)))
            elif command is not None:
                self.again.append(command)

    def pending_local(self) -> tuple[ScheduleActivity, ...]:
        """Local activities of the loaded records that have no end yet: whoever follows this history begins them."""
        pending = (as_recorded(command, record) for command, record in self._local if command.id in self.waiting)
        return tuple(command for command in pending if isinstance(command, ScheduleActivity))

    def take_again(self) -> tuple[Command, ...]:
        """The commands that the decision asks for once more."""
        again, self.again = tuple(self.again), []
        return again

    def take(self) -> tuple[Command, ...]:
        """The commands of the decision; from now on they count as recorded."""
        if not self.made:
            return ()
        made, self.made = tuple(self.made), []
        return made

    def forget(self) -> Iterable[Any]:
        """Drop everything; gives those that waited."""
        waiters, self.waiting = self.waiting, {}
        self._step, self._records, self._effects = {}, [], {}
        return waiters.values()


def as_recorded(command: Command, record: Record) -> Command:
    """The command with the payload that the history has: the code may compute another one by now. Where an activity
    runs is as it was, too."""
    payload = getattr(record, "payload", None)
    if isinstance(command, ScheduleActivity) and isinstance(record, ActivityScheduled):
        local = command.options.local
        if bool(local) != record.local:
            command = replace(command, options=replace(command.options, local=record.local))
    return command if payload is None else replace(command, payload=payload)


def describe(record: Record) -> str:
    """A record in one line for humans, without its payload."""
    shown = [f"{name}={getattr(record, name)!r}" for name in _KEYS[type(record)] if name != "id"]
    return f"{type(record).__name__} #{record.id}" + (f" ({', '.join(shown)})" if shown else "")
