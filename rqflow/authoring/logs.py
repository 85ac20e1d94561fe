"""Logs: loggers for code inside workflows and activities, which say whose line it is."""

from __future__ import annotations

import logging
from typing import Any

from rqflow.authoring.attempt import CURRENT_ATTEMPT
from rqflow.core.run import current
from rqflow.errors import NotInWorkflow


class _PlacedLogger(logging.LoggerAdapter[logging.Logger]):
    """Puts a place behind each message, and into the record's fields."""

    def place(self) -> dict[str, Any]:
        """What the line belongs to; empty outside."""
        return {}

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """As logging's."""
        if not self.isEnabledFor(level):
            return
        place = self.place()
        if place:
            shown = " ".join(f"{name}={value}" for name, value in place.items())
            # A message with arguments is a %-format; an id with a percent sign must not become part of it.
            msg = f"{msg} [{shown.replace('%', '%%') if args else shown}]"
            kwargs["extra"] = {**place, **(kwargs.get("extra") or {})}
        kwargs["stacklevel"] = kwargs.get("stacklevel", 1) + 1  # the caller's line, not this one
        self.logger.log(level, msg, *args, **kwargs)


class WorkflowLogger(_PlacedLogger):
    """Silent while a run is replayed, so that each line is written once; adds workflow, instance and run."""

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - logging's name
        """Whether a line of this level is written now."""
        try:
            if current().replaying:
                return False
        except NotInWorkflow:
            return super().isEnabledFor(level)
        return super().isEnabledFor(level)

    def place(self) -> dict[str, Any]:
        """The run."""
        try:
            info = current().info
        except NotInWorkflow:
            return {}
        return {"workflow": info.workflow, "instance": info.instance, "run": info.run}


class ActivityLogger(_PlacedLogger):
    """Adds activity, attempt, workflow, instance and run."""

    def place(self) -> dict[str, Any]:
        """The attempt."""
        attempt = CURRENT_ATTEMPT.get(None)
        if attempt is None:
            return {}
        info = attempt.info
        run = {"workflow": info.workflow, "instance": info.instance, "run": info.run}
        return {"activity": info.name, "attempt": info.attempt, **run}
