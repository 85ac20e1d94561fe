"""Shared: what all exchanges of a worker have in common."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rqflow.backend.protocol import Backend
from rqflow.worker.item import Desk
from rqflow.worker.link import Link
from rqflow.worker.options import WorkerOptions
from rqflow.worker.relay import Relay
from rqflow.worker.standing import Standing


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """One of each, for all partitions."""

    backend: Backend
    standing: Standing
    options: WorkerOptions
    desk: Desk
    link: Link
    relay: Relay
    moved: Callable[[], None]
    """Called when something was told and answered."""
