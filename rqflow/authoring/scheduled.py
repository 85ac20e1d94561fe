"""Scheduled: the decorator `@schedule`, which says beside a workflow's code when it recurs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ParamSpec, TypeVar, Unpack

from rqflow.authoring.workflows import Workflow
from rqflow.errors import BadInput, BadSchedule
from rqflow.schedules.checking import check_schedule_id
from rqflow.schedules.keywords import KEYWORDS, ScheduleKeywords

P = ParamSpec("P")
R = TypeVar("R")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """One schedule of a workflow, as its code says it. Nothing is written before it is applied."""

    id: str
    args: tuple[Any, ...] = ()
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    keywords: Mapping[str, Any] = field(default_factory=dict)


def schedule(
    id: str | None = None,
    *,
    args: tuple[Any, ...] = (),
    kwargs: Mapping[str, Any] | None = None,
    **keywords: Unpack[ScheduleKeywords],
) -> Callable[[Workflow[P, R]], Workflow[P, R]]:
    """Say when a workflow recurs: `@schedule(cron="0 2 * * *", zone="Europe/Berlin")` above `@workflow`.

    `id` is the workflow's name if left out; `args` and `kwargs` are what each run gets. It may stand several times,
    each with an id of its own. The code alone writes nothing: `rqflow schedule apply -m MODULE` and
    `client.schedules.apply([workflow, …])` do, and show what they change.
    Raises BadInput; what needs the whole schedule is checked when it is applied.
    """
    for name in keywords:
        if name not in KEYWORDS:
            raise BadSchedule(name, f"@schedule has no such option; it has {', '.join(KEYWORDS)}")

    def attach(workflow: Workflow[P, R]) -> Workflow[P, R]:
        if not isinstance(workflow, Workflow):
            raise BadInput("@schedule stands above @workflow: it takes a workflow, not a plain function")
        named = check_schedule_id(workflow.name if id is None else id)
        if any(plan.id == named for plan in workflow.plans):
            raise BadInput(
                f"workflow {workflow.name} has two schedules named {named!r}; give one another: @schedule(id=…)"
            )
        plan = Plan(id=named, args=args, kwargs=kwargs or {}, keywords=dict(keywords))
        workflow.plans = (plan, *workflow.plans)
        return workflow

    return attach
