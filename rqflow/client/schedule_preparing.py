"""Schedule preparing: a schedule that is wanted, checked as a whole before anything of it is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from rqflow.backend.calls.hubs import Limits, ReadStats
from rqflow.backend.protocol import unwrap
from rqflow.client.checks import check_attributes, check_name, check_payload, check_reason, check_start
from rqflow.client.flow import Facts, Flow, send_all
from rqflow.client.options import ClientOptions, StartOptions
from rqflow.client.starting import DEFAULT_QUEUE
from rqflow.client.values import callee_of
from rqflow.errors import BadInput, BadSchedule
from rqflow.schedules.checking import check_schedule_id
from rqflow.schedules.keywords import with_keywords
from rqflow.schedules.policy import Action, Policy
from rqflow.schedules.slots import moment_of
from rqflow.schedules.spec import ScheduleSpec
from rqflow.schedules.timetable import Timetable

_START_FIELDS: Final = frozenset({"attributes", "priority", "lane", "headers"})
"""Checked as the options of a start."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A schedule as somebody wants it."""

    id: str
    workflow: Any
    """A workflow, or a workflow's name."""
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    keywords: Mapping[str, Any] = field(default_factory=dict)
    """See ScheduleKeywords."""
    paused: bool | str = False
    """Whether it begins paused; a text is the reason."""
    unchecked: bool = False
    """A workflow that is only named need not be known to a live worker."""
    origin: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """One that has passed every check that needs no store."""

    id: str
    spec: ScheduleSpec
    args: bytes
    reason: str | None
    """Why it begins paused; None: it does not."""
    named: bool
    """Its workflow is known by name only."""


@dataclass(frozen=True, slots=True)
class Known:
    """What the hub knows at this moment."""

    now: datetime
    now_ms: int
    workflows: frozenset[str]
    """What live workers serve."""


def prepare(wanted: Wanted, limits: Limits, before: ScheduleSpec | None = None) -> Prepared:
    """The spec and the arguments of a wanted schedule; `before`: what holds where it says nothing. Raises BadInput."""
    id = check_schedule_id(wanted.id)
    callee = _callee(wanted, limits)
    payload = check_payload(f"arguments of schedule {id!r}", callee.encode(wanted.args, wanted.kwargs), limits)
    action = Action(
        workflow=callee.name, queue=callee.queue or DEFAULT_QUEUE, timeout=callee.timeout, retention=callee.retention
    )
    base = before or ScheduleSpec(timetable=Timetable(), policy=Policy(), action=action, origin=wanted.origin)
    spec = with_keywords(base, checked_keywords(wanted.keywords, limits))
    reason = None if wanted.paused is False else check_reason("" if wanted.paused is True else wanted.paused)
    named = isinstance(wanted.workflow, str) and not wanted.unchecked
    return Prepared(id=id, spec=spec, args=payload, reason=reason, named=named)


def checked_keywords(keywords: Mapping[str, Any], limits: Limits) -> dict[str, Any]:
    """What a schedule has in common with a start, checked as there. Raises BadSchedule."""
    checked = dict(keywords)
    if checked.get("queue", "") is None:
        del checked["queue"]
    for name in _START_FIELDS & checked.keys():
        _named(name, lambda name=name: check_start(StartOptions(**{name: checked[name]}), limits))
    if "queue" in checked:
        _named("queue", lambda: check_name("queue", checked["queue"], limits))
    if "attributes" in checked:
        checked["attributes"] = dict(_named("attributes", lambda: check_attributes(checked["attributes"], limits)))
    return checked


def known(options: ClientOptions, facts: Facts) -> Flow[Known]:
    """The store's time, and the workflows of its live workers."""
    calls = [ReadStats(partition=partition) for partition in range(facts.hub.partitions)]
    sent = yield from send_all(options, calls)
    parts = [unwrap(answer) for answer in sent.answers]
    now_ms = max(part.now_ms for part in parts)
    served = (name for part in parts for worker in part.workers for name in worker.record.workflows)
    return Known(moment_of(now_ms), now_ms, frozenset(served))


def check_known(prepared: Prepared, at: Known) -> None:
    """A workflow that is only named must be one that a live worker serves. Raises BadSchedule."""
    name = prepared.spec.action.workflow
    if not prepared.named or name in at.workflows:
        return
    serve = f"live workers serve {', '.join(sorted(at.workflows)[:20])}" if at.workflows else "no worker is live"
    raise BadSchedule(
        "workflow",
        f"no workflow named {name!r} is known: {serve}; start a worker that has it, give the function or its module, "
        "or say unchecked=True",
    )


def _callee(wanted: Wanted, limits: Limits) -> Any:
    callee = _named("workflow", lambda: callee_of(wanted.workflow))
    _named("workflow", lambda: check_name("workflow", callee.name, limits))
    return callee


def _named(name: str, check: Any) -> Any:
    """What a check gives; its refusal with the field's name."""
    try:
        return check()
    except BadSchedule:
        raise
    except BadInput as error:
        raise BadSchedule(name, str(error)) from error
