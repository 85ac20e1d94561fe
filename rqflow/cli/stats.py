"""Stats: a hub in numbers, once or again and again."""

from __future__ import annotations

import json
import time
from collections import Counter
from datetime import timedelta
from typing import Any

import click

from rqflow.backend.calls.hubs import WorkerStats
from rqflow.cli.arguments import Duration
from rqflow.cli.screen import STATUS_STYLES, Column, iso, show_json, show_table, span
from rqflow.cli.session import Session, json_option, with_session
from rqflow.client.statistics import HubStats
from rqflow.core.states import INSTANCE_STATUSES


@click.command()
@click.option("--watch", "again", is_flag=True, help="Again every --interval, until Ctrl-C.")
@click.option("--interval", type=Duration(), default="2s", show_default=True, metavar="TIME", help="With --watch.")
@json_option
@with_session
def stats(session: Session, *, again: bool, interval: timedelta, as_json: bool) -> None:
    """Show instances by status, queues with depths and ages, workers, cache hit rate, timers, unknown names.

    \b
    Examples:
      rqflow stats
      rqflow stats --watch --interval 5s
      rqflow stats --json
    """
    with session.client() as client:
        while True:
            found = client.stats()
            if as_json:
                show_json(plain_stats(found), line=again)
            else:
                if again:
                    click.clear()
                _show(found)
            if not again:
                return
            time.sleep(max(interval.total_seconds(), 0.1))


def worker_numbers(worker: WorkerStats) -> dict[str, Any]:
    """What a worker told of itself at its last renewal; nothing if that cannot be read."""
    try:
        told = json.loads(worker.stats) if worker.stats else {}
    except ValueError:
        return {}
    return told if isinstance(told, dict) else {}


def cache_hit_rate(found: HubStats) -> float | None:
    """The share of turns that found their executor in memory; None before the first."""
    hits: Counter[str] = Counter()
    for worker in found.workers:
        told = worker_numbers(worker)
        hits.update({name: told[name] for name in ("cache_hits", "cache_misses") if isinstance(told.get(name), int)})
    return hits["cache_hits"] / hits.total() if hits.total() else None


def plain_stats(found: HubStats) -> dict[str, Any]:
    """All numbers as plain values."""
    return {
        "hub": found.hub,
        "partitions": found.partitions,
        "now": iso(found.now),
        "statuses": {status: found.statuses.get(status, 0) for status in INSTANCE_STATUSES},
        "queues": [
            {
                "name": queue.name,
                "workflows_queued": queue.workflows_queued,
                "workflows_leased": queue.workflows_leased,
                "activities_queued": queue.activities_queued,
                "activities_leased": queue.activities_leased,
                "oldest_queued_seconds": queue.oldest_queued_ms / 1000,
                "unknown": dict(queue.unknown),
            }
            for queue in found.queues
        ],
        "workers": [_plain_worker(worker) for worker in found.workers],
        "cache_hit_rate": cache_hit_rate(found),
        "due": found.due,
        "overdue": found.overdue,
        "outbox": found.outbox,
        "broken": found.broken,
        "schedules": found.schedules,
        "schedules_late": found.schedules_late,
        "schedulers": found.schedulers,
    }


def _plain_worker(worker: WorkerStats) -> dict[str, Any]:
    record = worker.record
    return {
        "id": record.id,
        "name": record.name,
        "host": record.host,
        "pid": record.pid,
        "build": record.build or None,
        "workflow_queues": list(record.subscription.workflow_queues),
        "activity_queues": list(record.subscription.activity_queues),
        "workflows": list(record.workflows),
        "activities": list(record.activities),
        "workflow_slots": record.workflow_slots,
        "activity_slots": record.activity_slots,
        "lease_seconds": worker.lease_ms / 1000,
        "stats": worker_numbers(worker),
    }


def _show(found: HubStats) -> None:
    many = f", {found.partitions} partitions" if found.partitions > 1 else ""
    show_table(
        (Column("INSTANCES", styles=STATUS_STYLES), Column("COUNT", right=True)),
        [(status, f"{found.statuses[status]:,}") for status in INSTANCE_STATUSES if found.statuses.get(status)],
        title=f"hub {found.hub}{many}",
    )
    click.echo()
    show_table(
        (
            Column("QUEUE"), Column("WORKFLOWS", right=True), Column("LEASED", right=True),
            Column("ACTIVITIES", right=True), Column("LEASED", right=True), Column("OLDEST", right=True),
            Column("UNKNOWN NAMES"),
        ),
        [
            (
                queue.name, f"{queue.workflows_queued:,}", f"{queue.workflows_leased:,}",
                f"{queue.activities_queued:,}", f"{queue.activities_leased:,}",
                span(timedelta(milliseconds=queue.oldest_queued_ms)) if queue.oldest_queued_ms else "",
                ", ".join(f"{name} ({count})" for name, count in queue.unknown),
            )
            for queue in found.queues
        ],
    )  # fmt: skip
    click.echo()
    show_table(
        (Column("WORKER"), Column("HOST"), Column("PID", right=True), Column("QUEUES"), Column("TAKES"),
         Column("LEASE", right=True), Column("BUILD")),
        [_worker_row(worker) for worker in found.workers],
    )  # fmt: skip
    click.echo()
    rate = cache_hit_rate(found)
    click.echo(
        f"cache hits {'n/a' if rate is None else f'{rate:.1%}'} · due {found.due:,} · overdue {found.overdue:,} · "
        f"outbox {found.outbox:,} · broken {found.broken:,}"
    )
    if found.schedules or found.schedulers:
        late = f" · {found.schedules_late:,} late" if found.schedules_late else ""
        click.echo(f"schedules {found.schedules:,}{late} · schedulers {found.schedulers or 'none: rqflow scheduler'}")


def _worker_row(worker: WorkerStats) -> tuple[object, ...]:
    record = worker.record
    workflows, activities = record.subscription.workflow_queues, record.subscription.activity_queues
    takes = " and ".join(kind for kind, queues in (("workflows", workflows), ("activities", activities)) if queues)
    left = timedelta(milliseconds=worker.lease_ms)
    return (
        record.name, record.host, record.pid, ", ".join(dict.fromkeys((*workflows, *activities))), takes,
        span(left) if worker.lease_ms > 0 else "lapsed", record.build,
    )  # fmt: skip
