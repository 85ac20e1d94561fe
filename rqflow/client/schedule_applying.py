"""Schedule applying: many wanted schedules against those that there are: a plan, and the plan carried out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final, Literal, TypeAlias

from rqflow.authoring.scheduled import Plan
from rqflow.authoring.workflows import Workflow
from rqflow.backend.calls.call import Call
from rqflow.backend.calls.schedules import DeleteSchedule, ListSchedules, ReadSchedule, ScheduleRow
from rqflow.backend.protocol import unwrap
from rqflow.client.flow import Facts, Flow, connect, send_all
from rqflow.client.options import ClientOptions
from rqflow.client.schedule_preparing import Known, Prepared, Wanted, known, prepare
from rqflow.client.schedule_reading import PAGE
from rqflow.client.scheduling import ROUNDS, check_whole, creation, readable, rewriting
from rqflow.client.values import decode_any
from rqflow.errors import BadInput, BadSchedule, LimitReached, ScheduleChanged, ScheduleExists, ScheduleNotFound

MAX_APPLIED: Final = 10_000
"""Schedules of one file."""
_RACES: Final = (ScheduleChanged, ScheduleExists, ScheduleNotFound)
Verb: TypeAlias = Literal["create", "change", "delete", "keep"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """What becomes of one schedule."""

    id: str
    verb: Verb
    differences: tuple[tuple[str, Any, Any], ...] = ()
    """Of a change: field, as it is, as it is wanted."""


def apply_workflows(
    options: ClientOptions, workflows: Iterable[Workflow[..., Any]], *, prune: bool = False, dry_run: bool = False
) -> Flow[list[Change]]:
    """Write the schedules that `@schedule` says of these workflows: create, change or keep each, and say which.

    `prune` deletes those that code of the same modules has written before and says no more; `dry_run` writes nothing.
    All are checked before the first is written. Raises BadSchedule, naming schedule and field.
    """
    wanted = planned(workflows)
    return (yield from apply(options, wanted, prune=sorted({one.origin for one in wanted}) * prune, dry_run=dry_run))


def planned(workflows: Iterable[Workflow[..., Any]]) -> list[Wanted]:
    """What `@schedule` says of workflows."""
    found: dict[int, tuple[Plan, Workflow[..., Any]]] = {}
    for workflow in workflows:
        if not isinstance(workflow, Workflow):
            raise BadInput(f"{workflow!r:.60} is no workflow: give functions decorated with @schedule and @workflow")
        for plan in workflow.plans:  # of a workflow and its copies with other options, the first one
            found.setdefault(id(plan), (plan, workflow))
    return [
        Wanted(
            id=plan.id, workflow=workflow, args=plan.args, kwargs=plan.kwargs, keywords=plan.keywords,
            origin=f"module {workflow.fn.__module__}",
        )
        for plan, workflow in found.values()
    ]  # fmt: skip


def apply(
    options: ClientOptions, wanted: Sequence[Wanted], *, prune: Sequence[str] = (), dry_run: bool = False
) -> Flow[list[Change]]:
    """Make the wanted schedules be, each as it is wanted; delete others that were applied from the origins in `prune`.

    Whether one is paused is left as it is. Raises BadSchedule (named `id.field`), LimitReached.
    """
    facts = yield from connect()
    prepared = _prepare(wanted, facts)
    at = yield from known(options, facts)
    rows = yield from _existing(options, facts, prepared)
    changes = [_compare(one, rows.get(one.id)) for one in prepared.values()]
    for change in changes:
        if change.verb != "keep":
            _named(change.id, lambda one=prepared[change.id]: check_whole(one, at, facts, rows.get(one.id)))
    doomed = [id for id in (yield from _from_origins(options, facts, prune)) if id not in prepared]
    if not dry_run:
        different = {change.id: prepared[change.id] for change in changes if change.verb != "keep"}
        yield from _write(options, facts, different, at, rows)
        deletes = [DeleteSchedule(partition=facts.partition(id), schedule=id) for id in doomed]
        for answer in (yield from _sent(options, deletes)):
            if not isinstance(answer, ScheduleNotFound):
                unwrap(answer)
    changes += (Change(id=id, verb="delete") for id in doomed)
    return sorted(changes, key=lambda change: change.id)


def _write(
    options: ClientOptions, facts: Facts, wanted: dict[str, Prepared], at: Known, rows: dict[str, ScheduleRow]
) -> Flow[None]:
    """Create and change. What others wrote meanwhile (a scheduler that fired, say) is read again and written over."""
    for _ in range(ROUNDS):
        calls = [
            creation(one, at, facts) if one.id not in rows else rewriting(rows[one.id], one, facts)
            for one in wanted.values()
        ]
        answers = yield from _sent(options, calls)
        left = [call.schedule for call, answer in zip(calls, answers, strict=True) if isinstance(answer, _RACES)]
        for answer in answers:
            if not isinstance(answer, _RACES):
                unwrap(answer)
        wanted = {id: wanted[id] for id in left}
        if not wanted:
            return
        rows = yield from _existing(options, facts, wanted)
    raise ScheduleChanged(min(wanted))


def _prepare(wanted: Sequence[Wanted], facts: Facts) -> dict[str, Prepared]:
    if len(wanted) > MAX_APPLIED:
        raise LimitReached("schedules applied at once", MAX_APPLIED, "split the file")
    prepared: dict[str, Prepared] = {}
    for one in wanted:
        found = _named(one.id, lambda one=one: prepare(one, facts.limits))
        if found.id in prepared:
            raise BadSchedule("id", f"two of the schedules are named {found.id!r}")
        prepared[found.id] = found
    return prepared


def _named(id: Any, check: Any) -> Any:
    """What a check gives; its refusal with the schedule's id before the field."""
    try:
        return check()
    except BadSchedule as error:
        raise BadSchedule(f"{id}.{error.field}", str(error).removeprefix(f"{error.field}: ")) from None
    except BadInput as error:
        raise BadSchedule(f"{id}.args", str(error)) from None


def _existing(options: ClientOptions, facts: Facts, prepared: dict[str, Prepared]) -> Flow[dict[str, ScheduleRow]]:
    calls = [ReadSchedule(partition=facts.partition(id), schedule=id) for id in prepared]
    answers = yield from _sent(options, calls)
    found = (unwrap(answer) for answer in answers if not isinstance(answer, ScheduleNotFound))
    return {row.schedule: row for row in found}


def _sent(options: ClientOptions, calls: Sequence[Call[Any]]) -> Flow[list[Any]]:
    """Answers, errors as values; a few hundred calls in each round trip."""
    answers: list[Any] = []
    for start in range(0, len(calls), options.batch_calls):
        sent = yield from send_all(options, calls[start : start + options.batch_calls])
        answers += sent.answers
    return answers


def _from_origins(options: ClientOptions, facts: Facts, origins: Sequence[str]) -> Flow[list[str]]:
    """The schedules that were applied from these origins before."""
    found: list[str] = []
    for partition in range(facts.hub.partitions) if origins else ():
        after: str | None = ""
        while after is not None:
            sent = yield from send_all(options, [ListSchedules(partition=partition, after=after, limit=PAGE)])
            page = unwrap(sent.answers[0])
            specs = ((row.schedule, readable(row.spec)) for row in page.rows)
            found += (id for id, spec in specs if spec is not None and spec.origin in origins)
            after = page.cursor
    return found


def _compare(one: Prepared, row: ScheduleRow | None) -> Change:
    if row is None:
        return Change(id=one.id, verb="create")
    before = readable(row.spec)
    differences: list[tuple[str, Any, Any]] = []
    if before is None or row.broken:
        differences.append(("broken", row.broken or "cannot be read", ""))
    old, new = asdict(before) if before is not None else {}, asdict(one.spec)
    for part, wanted in new.items():
        has = old.get(part, {})
        if isinstance(wanted, dict):
            differences += ((name, has.get(name), value) for name, value in wanted.items() if has.get(name) != value)
        elif has != wanted:
            differences.append((part, has or None, wanted))
    if row.args != one.args and decode_any(row.args) != decode_any(one.args):
        differences.append(("args", decode_any(row.args), decode_any(one.args)))
    return Change(id=one.id, verb="change" if differences else "keep", differences=tuple(differences))
