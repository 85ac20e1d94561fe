"""Replays: the histories that workers wrote, followed again: from every prefix, in any pieces, cold."""

from __future__ import annotations

from random import Random

from rqflow.backend.calls.instances import ReadHistory
from rqflow.backend.protocol import Backend, partition_of
from rqflow.core.commands import Decision, record_of
from rqflow.core.events import SideEffectRecorded, Stamped, WorkflowStarted, WorkflowTerminated
from rqflow.core.executor import Executor
from rqflow.core.run import WorkflowDefinition
from rqflow.core.wire import decode_stored
from rqflow.worker.decisions import end_of
from tests.promises.evidence import turns_of


async def stamped(backend: Backend, instance: str, run: str = "") -> list[Stamped]:
    """A run's events with their times; the last run's if none is named."""
    at = partition_of(instance, backend.hub.partitions)
    page = await backend.call(ReadHistory(partition=at, instance=instance, run=run))
    assert len(page.events) == page.length
    return [decode_stored(stored) for stored in page.events]


async def runs_of(backend: Backend, instance: str) -> list[list[Stamped]]:
    """The histories of all runs of an instance, the last first."""
    found = [await stamped(backend, instance)]
    while isinstance(first := found[-1][0].event, WorkflowStarted) and first.continued_from is not None:
        found.append(await stamped(backend, instance, first.continued_from))
    return found


def written(decision: Decision) -> list[object]:
    """What a decision adds to a history."""
    ends = [] if decision.close is None else [end_of(decision.close)]
    return [*map(record_of, decision.commands), *ends]


def check_prefixes(definition: WorkflowDefinition, history: list[Stamped]) -> None:
    """[P4] Each turn is decided again by an executor that knows only what stood before it: the same commands."""
    before: list[Stamped] = []
    for news, records in turns_of(history):
        if isinstance(records[-1].event if records else None, WorkflowTerminated):
            break  # the code was not asked
        fresh = Executor(definition)
        decided = written(fresh.advance([*before, *news], replayed=len(before)))
        fresh.close()
        recorded: list[object] = [each.event for each in records]
        if any(isinstance(each, SideEffectRecorded) for each in recorded):
            # Drawn anew, as if its turn had been lost: what follows has other payloads.
            decided, recorded = list(map(_named, decided)), list(map(_named, recorded))
        assert decided == recorded, f"after {len(before)} events"
        before += news + records


def check_pieces(definition: WorkflowDefinition, history: list[Stamped], chance: Random) -> None:
    """[P4] Split anywhere between turns, nothing more is asked for."""
    executor, piece = Executor(definition), list[Stamped]()
    for news, records in turns_of(history):
        piece += news + records
        if chance.random() < 0.5:
            _follow(executor, piece)
            piece = []
    if piece:
        _follow(executor, piece)
    assert executor.length == len(history)
    executor.close()


def check_cold(definition: WorkflowDefinition, history: list[Stamped]) -> None:
    """[P4] The whole of it at once: nothing more is asked for."""
    executor = Executor(definition)
    _follow(executor, history)
    assert executor.length == len(history)
    executor.close()


def _named(event: object) -> object:
    return type(event).__name__, getattr(event, "id", None), getattr(event, "name", None)


def _follow(executor: Executor, piece: list[Stamped]) -> None:
    decision = executor.advance(piece, replayed=len(piece))
    assert (decision.commands, decision.close) == ((), None)
