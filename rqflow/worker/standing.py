"""Standing: who a worker is at this moment, and whether it serves, drains or has left; shared by its parts."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable
from uuid import uuid4

from rqflow.authoring.registry import Registry
from rqflow.backend.calls.tasks import Subscription, WorkerRecord
from rqflow.worker.options import WorkerOptions


class Standing:
    """A worker's id and state. A new id begins a new epoch: whatever belongs to an older one is no longer ours."""

    def __init__(self, registry: Registry, options: WorkerOptions, build: str) -> None:
        self._registry = registry
        self._options = options
        self.build = build
        self.id = ""
        self.epoch = 0
        self.stats = b""
        """What was last told of this worker's work: JSON."""
        self.draining = False
        """Asked to stop: nothing new is taken; what runs is finished, and instances are handed to others."""
        self.left = False
        """Nothing more is sent but Unregister."""
        self.registered = asyncio.Event()
        """Cleared while there is no lease: the exchanges pause."""
        self.on_lost: Callable[[str], None] = lambda reason: None
        """Called once for each lease that was lost, on the loop; it renews the id."""
        self.renew_id()

    def renew_id(self) -> None:
        """Become another worker for the store."""
        self.id = uuid4().hex
        self.epoch += 1
        self.registered.clear()

    def leave(self) -> None:
        """Nothing more is sent. Who waits for a lease is let go: without a store there may never be one."""
        self.left = True
        self.registered.set()

    def lose(self, reason: str, epoch: int) -> None:
        """The lease has ended; heard once for each epoch, from whoever noticed first."""
        if epoch == self.epoch and self.registered.is_set() and not self.left:
            self.on_lost(reason)

    @property
    def subscription(self) -> Subscription:
        """What to take: while draining only what is on the worker's own stream."""
        return Subscription() if self.draining else self._options.subscription

    def record(self) -> WorkerRecord:
        """What the store is told of this worker."""
        host = socket.gethostname()
        return WorkerRecord(
            id=self.id,
            name=self._options.name or f"{host}.{os.getpid()}",
            host=host,
            pid=os.getpid(),
            build=self.build,
            subscription=self._options.subscription,
            workflows=tuple(sorted(self._registry.workflows)) if self._options.workflows else (),
            activities=tuple(sorted(self._registry.activities)) if self._options.activities else (),
            workflow_slots=self._options.workflow_slots if self._options.workflows else 0,
            activity_slots=self._options.activity_slots if self._options.activities else 0,
        )
