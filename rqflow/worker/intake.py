"""Intake: what an exchange asks of the store, and how it hands out what came."""

from __future__ import annotations

import logging

from rqflow.backend.calls.tasks import ActivityTask, GiveBack, Take, Taken
from rqflow.worker.item import Item, Outlet
from rqflow.worker.listener import Listener
from rqflow.worker.shared import Shared

logger = logging.getLogger("rqflow.worker")


class Intake:
    """Takes only what there is room for. What comes nevertheless (a read of several streams) is given back at once."""

    def __init__(self, partition: int, shared: Shared, listener: Listener) -> None:
        self._partition = partition
        self._standing = shared.standing
        self._options = shared.options
        self._desk = shared.desk
        self._listener = listener
        self._again = False
        self._promised = 0
        """Workflow tasks that takes under way may bring."""
        self._more_workflows = True
        self._more_activities = True

    def reset(self) -> None:
        """Begin anew, as another worker."""
        self._listener.reset()
        self._again = False
        self._promised = 0
        self._more_workflows = self._more_activities = True

    def look(self) -> None:
        """There may be tasks."""
        self._more_workflows = self._more_activities = True

    @property
    def wants(self) -> bool:
        """There may be tasks, and there is room for them; or something was brought that must be loaded."""
        return bool(
            self._listener.entries
            or self._listener.doubtful
            or self._again
            or (self._more_workflows and self._workflow_room() > 0)
            or (self._more_activities and self._desk.activity_room() > 0)
        )

    def _workflow_room(self) -> int:
        # A worker that takes no workflows still has a stream of its own: it may hold what was sticky once.
        here = self._desk.turns_waiting(self._partition) + self._desk.turns_open(self._partition)
        return max(0, self._options.workflow_slots - here - self._promised)

    def take(self, fire: int) -> Take:
        """The next Take, which handles so many due members at most."""
        entries, self._listener.entries = tuple(self._listener.entries), []
        again, self._again, self._listener.doubtful = self._again or self._listener.doubtful, False, False
        # What the entries are is known only when they are loaded, so they are counted against both rooms.
        workflow_room = _share(self._workflow_room() - len(entries), self._options.workflow_slots)
        self._promised += workflow_room
        return Take(
            partition=self._partition,
            worker=self._standing.id,
            subscription=self._standing.subscription,
            workflow_room=workflow_room,
            activity_room=_share(self._desk.activity_room() - len(entries), self._options.activity_slots),
            entries=entries,
            again=again,
            fire=fire,
        )

    def unheard(self, take: Take) -> None:
        """Nobody answered: the next one asks for what this one may have leased."""
        self._promised -= take.workflow_room
        self._listener.entries[:0] = take.entries
        self._again = True

    def took(self, take: Take, taken: Taken, outlet: Outlet) -> None:
        """Hand out what came."""
        self._promised -= take.workflow_room
        workflows = activities = 0
        for notice in taken.notices:
            self._desk.cancel(notice)
        for task in taken.tasks:
            if self._desk.holds(task):
                continue
            if isinstance(task, ActivityTask):
                activities += 1
                if self._desk.activity_room() <= 0:
                    self._give_back(task, outlet)
                    continue
            else:
                workflows += 1
            self._desk.accept(task, outlet)
        # A Take that filled its room, or had none, does not know what else is there.
        self._more_workflows = workflows >= take.workflow_room
        self._more_activities = activities >= take.activity_room and bool(take.subscription.activity_queues)
        if taken.outbox:
            outlet.relay_soon()
        self._desk.work()

    def _give_back(self, task: ActivityTask, outlet: Outlet) -> None:
        call = GiveBack(
            partition=task.partition, instance=task.instance, run=task.run, token=task.token, activity=task.id
        )
        outlet.offer(Item(call, answered=lambda answer: None, token=task.token))


def _share(room: int, slots: int) -> int:
    """What one Take may bring: the next one, which leaves before the first is answered, shall find room too."""
    return max(0, min(room, (slots + 1) // 2))
