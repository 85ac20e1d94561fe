"""Client rules: what clients and operators ask of a store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from itertools import zip_longest
from typing import Any

from hypothesis import strategies as st

from rqflow.backend.calls.hubs import PartitionStats, QueueStats, ReadStats
from rqflow.backend.calls.instances import (
    Ask,
    Deliver,
    Describe,
    Description,
    Filter,
    HistoryPage,
    InstancePage,
    ListInstances,
    Outcome,
    Purge,
    ReadEvents,
    ReadHistory,
    ReadOutcome,
    ReadQueryAnswer,
    ReadUpdateAnswer,
    Resume,
    Start,
    Suspend,
    Terminate,
)
from rqflow.backend.calls.reruns import Rerun
from rqflow.core import events
from rqflow.core.states import INSTANCE_STATUSES
from rqflow.core.wire import encode, stored
from tests.backend.redis_write.machine import Ground, anyone, deed, names, pick, places, seldom, yes
from tests.backend.redis_write.twins import failure_or, told

TIMES = st.sampled_from([None, None, -20, 0, 20])
"""Minutes from now."""
SIGNAL = events.SignalReceived(name="s")


class ClientRules(Ground):
    """Clients: any order, repeats too."""

    def __init__(self) -> None:
        super().__init__()
        self.wishes: list[Any] = []
        """Starts and deliveries, to be repeated."""
        self.questions: list[tuple[str, str]] = []
        self.updates: list[tuple[str, str]] = []

    def wish(self, call: Any) -> None:
        """Send it, and know it again."""
        self.wishes.append(call)
        self.twins.both(call)

    @deed(
        6,
        name=names,
        on_conflict=st.sampled_from(["fail", "fail", "use_existing", "terminate_existing"]),
        on_reuse=st.sampled_from(["allow", "allow", "allow_failed", "reject"]),
        delay=st.sampled_from([0, 0, 0, 10]),
        at=TIMES,
        timeout=st.sampled_from([None, None, 120]),
        attributes=st.sampled_from([{}, {"a": 1, "b": "x/y"}]),
        signal=seldom,
    )
    def start(self, name: str, delay: int, at: int | None, timeout: int | None, signal: bool, **options: Any) -> None:
        """A start."""
        number = self.number()
        if signal:
            options["signal"] = encode(events.SignalReceived(name="s", payload=b"with start"))
            options["signal_request"] = f"request-{number}"
        self.wish(
            self.twins.scripted.start_call(
                name,
                run=f"run{number}",
                delay=timedelta(minutes=delay),
                at=None if at is None else self.moment(at),
                timeout=None if timeout is None else timedelta(minutes=timeout),
                **options,
            )
        )

    def moment(self, minutes: int) -> Any:
        """Minutes from now."""
        return self.twins.memory.hub.created_at + timedelta(
            milliseconds=self.twins.scripted.now_ms - self.began_ms, minutes=minutes
        )

    @property
    def began_ms(self) -> int:
        return round(self.twins.memory.hub.created_at.timestamp() * 1_000)

    @deed(5, name=anyone, kind=st.sampled_from(["signal", "update", "cancel"]))
    def deliver(self, name: str, kind: str) -> None:
        """News."""
        number = self.number()
        event: events.News = events.CancelRequested(reason="so")
        if kind == "signal":
            event = events.SignalReceived(name="s", payload=b"\x00\n 1")
        elif kind == "update":
            event = events.UpdateRequested(update=f"u{number}", name="up")
            self.updates.append((name, f"u{number}"))
        self.wish(
            Deliver(
                partition=self.at(name), instance=name, event=encode(event), request=f"request-{number}",
                cancel=kind == "cancel",
            )
        )  # fmt: skip

    @deed(2, place=places)
    def repeat(self, place: int) -> None:
        """A client did not hear the answer, and asks again."""
        if self.wishes:
            self.twins.both(pick(self.wishes, place))

    @deed(2, name=anyone, replaces=st.sampled_from(["its run", "its run", "", "run1"]), place=places)
    def rerun(self, name: str, replaces: str, place: int) -> None:
        """It begins again, with a history that it had."""
        [row] = self.twins.memory.apply_all([Describe(partition=self.at(name), instance=name)])
        run, old = f"run{self.number()}", getattr(row, "run", "")
        started = events.WorkflowStarted(workflow="checkout", instance=name, run=run, queue="q")
        self.wish(
            Rerun(
                partition=self.at(name), instance=name, run=run, replaces=old if replaces == "its run" else replaces,
                workflow="checkout", queue="q", history=(stored(1, "r", encode(started)),),
                news=(("r", encode(events.WorkflowRerun(run=run, source=old))), ("i", encode(SIGNAL))),
                timeout_ms=pick([None, 3_600_000], place), retention_ms=3_600_000, attributes={"a": 1},
            )
        )  # fmt: skip

    @deed(name=anyone, recursive=yes)
    def terminate(self, name: str, recursive: bool) -> None:
        """From outside."""
        self.twins.both(Terminate(partition=self.at(name), instance=name, reason="enough", recursive=recursive))

    @deed(name=anyone)
    def suspend(self, name: str) -> None:
        """No more turns."""
        self.twins.both(Suspend(partition=self.at(name), instance=name, reason="wait"))

    @deed(2, name=anyone)
    def resume(self, name: str) -> None:
        """It goes on."""
        self.twins.both(Resume(partition=self.at(name), instance=name))

    @deed(name=anyone, force=seldom)
    def purge(self, name: str, force: bool) -> None:
        """All of it goes."""
        self.twins.both(Purge(partition=self.at(name), instance=name, force=force))

    @deed(2, name=anyone, minutes=st.sampled_from([1, 1_440]))
    def ask(self, name: str, minutes: int) -> None:
        """A question."""
        query = f"query{self.number()}"
        self.questions.append((name, query))
        self.twins.both(
            Ask(
                partition=self.at(name), instance=name, query=query, name="n", payload=b"?",
                timeout=timedelta(minutes=minutes),
            )
        )  # fmt: skip

    # ---- what all can see -------------------------------------------------------------------------------------

    @deed(2, name=anyone)
    def look(self, name: str) -> None:
        """One instance."""
        at = self.at(name)
        self.twins.both(Describe(partition=at, instance=name), see=see_row)
        self.twins.both(ReadOutcome(partition=at, instance=name), see=see_outcome)
        self.twins.both(ReadHistory(partition=at, instance=name), see=see_history)
        self.twins.both(ReadHistory(partition=at, instance=name, after=1, limit=2), see=see_history)

    @deed(name=anyone, run=places)
    def look_back(self, name: str, run: int) -> None:
        """An earlier run, or one that is not this instance's."""
        run_of = pick([one.run for one in self.wishes if isinstance(one, Start)] or ["run0"], run)
        self.twins.both(ReadHistory(partition=self.at(name), instance=name, run=run_of), see=see_history)

    @deed(place=places)
    def look_for_answers(self, place: int) -> None:
        """To questions and updates."""
        if self.questions:
            name, query = pick(self.questions, place)
            self.twins.both(ReadQueryAnswer(partition=self.at(name), instance=name, query=query))
        if self.updates:
            name, update = pick(self.updates, place)
            self.twins.both(ReadUpdateAnswer(partition=self.at(name), instance=name, update=update), see=see_answer)

    @deed(
        2,
        workflow=st.sampled_from(["", "checkout", "other"]),
        status=st.sampled_from(["", "", *INSTANCE_STATUSES]),
        parent=st.sampled_from(["", "", "i1"]),
        attributes=st.sampled_from([None, None, {"a": 1}]),
        id_prefix=st.sampled_from(["", "i", "child"]),
        created_after=TIMES,
        closed_before=TIMES,
        limit=st.sampled_from([1, 3, 100]),
    )
    def list(self, created_after: int | None, closed_before: int | None, limit: int, **conditions: Any) -> None:
        """Page by page."""
        where = Filter(
            created_after=None if created_after is None else self.moment(created_after),
            closed_before=None if closed_before is None else self.moment(closed_before),
            **conditions,
        )
        for partition in self.everywhere():
            call = ListInstances(partition=partition, where=where, limit=limit)
            self.twins.sent[ListInstances] += 1
            ours = _pages(call, lambda call: self.twins.memory.apply_all([call])[0])
            theirs = _pages(call, self.twins.scripted.send)
            assert ours == theirs, (call, ours, theirs)

    @deed()
    def watch(self) -> None:
        """The hub as a whole."""
        for partition in self.everywhere():
            self.twins.both(ReadStats(partition=partition), see=see_stats)
            ours, theirs = self.twins.apply(ReadEvents(partition=partition, limit=10_000))
            seen = [[replace(one, id="", payload=b"") for one in found] for found in (ours, theirs)]
            assert seen[0] == seen[1], [pair for pair in zip_longest(*seen) if pair[0] != pair[1]]

    def end(self) -> None:
        for row in self.twins.memory._partitions[0].rows.by_id.copy():
            ClientRules.look(self, row)
        super().end()


def see_row(row: Description) -> Any:
    """Order is counted differently, and what failures say."""
    pending = tuple(replace(one, last_failure=b"") for one in row.pending)
    children = tuple(sorted(row.children))
    return replace(
        row, order=0, history_bytes=0, result=failure_or(row.result), pending=pending, children=children, reason=""
    )


def see_outcome(outcome: Outcome) -> Any:
    """A failure without its words."""
    return outcome.status, outcome.run, failure_or(outcome.payload)


def see_history(page: HistoryPage) -> Any:
    """Its events."""
    return page.run, page.length, told(page.events)


def see_answer(answer: Any) -> Any:
    """A failure without its words."""
    return answer and (answer.accepted, failure_or(answer.payload))


def _pages(call: ListInstances, apply: Callable[[ListInstances], Any]) -> list[Description]:
    """All that a store lists. Where it parts pages is its own: a cursor does not promise that more will come."""
    rows: list[Description] = []
    for _ in range(40):
        page = apply(call)
        assert isinstance(page, InstancePage), page
        assert len(page.rows) <= call.limit, page
        rows += map(see_row, page.rows)
        if page.cursor is None:
            return rows
        call = replace(call, below=page.cursor)
    raise AssertionError(f"{call}: no end after {rows}")


def see_stats(stats: PartitionStats) -> Any:
    """All but ages, which Redis takes from the ids of entries, queues where nothing is, and what may be out of date."""
    queues = {one.name: replace(one, oldest_queued_ms=0, unknown=()) for one in stats.queues}
    busy = {name: one for name, one in queues.items() if one != QueueStats(name=name)}
    workers = {one.record.id: one for one in stats.workers}
    return busy, workers, replace(stats, queues=(), workers=(), due=0, overdue=0)
