"""Telling: what an attempt came to goes to its exchange, its last heartbeat before it."""

from __future__ import annotations

from typing import Any

from rqflow.backend.calls.tasks import CompleteActivity, Renew, RetryActivity
from rqflow.worker.item import Item
from rqflow.worker.options import WorkerOptions
from rqflow.worker.running import Running
from rqflow.worker.standing import Standing


class Telling:
    """Offers the ends of attempts."""

    def __init__(self, options: WorkerOptions, standing: Standing) -> None:
        self._options = options
        self._standing = standing

    def tell(self, running: Running, report: CompleteActivity | RetryActivity) -> None:
        """Offer what an attempt came to."""
        task, outlet = running.task, running.outlet
        details = running.untold_details()
        if details is not None and isinstance(report, RetryActivity):
            # The next attempt reads them, so they go out before it is made.
            renewal = Renew(
                partition=task.partition,
                worker=self._standing.id,
                lease=self._options.granted,
                heartbeats=((task.token, details),),
                stats=self._standing.stats,
            )
            outlet.offer(Item(renewal, answered=_ignore))
        weight = len(report.event if isinstance(report, CompleteActivity) else report.failure)
        outlet.offer(Item(report, answered=_ignore, weight=weight, token=task.token))


def _ignore(answer: Any) -> None:
    """Nothing follows from the answer: a refused report is of an attempt that is not ours any more."""
