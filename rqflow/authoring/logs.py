"""Logs: loggers for code inside workflows and activities, which say whose line it is."""

from __future__ import annotations

import logging
from collections.abc import Mapping, MutableMapping
from typing import Any

from rqflow.authoring.attempt import CURRENT_ATTEMPT
from rqflow.core.run import current
from rqflow.errors import NotInWorkflow


class WorkflowLogger(logging.LoggerAdapter[logging.Logger]):
    """Silent while a run is replayed, so that each line is written once; adds workflow, instance and run."""

    def isEnabledFor(self, level: int) -> bool:  # noqa: N802 - logging's name
        """Whether a line of this level is written now."""
        try:
            if current().replaying:
                return False
        except NotInWorkflow:
            pass
        return super().isEnabledFor(level)

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """As logging's."""
        # The parent class asks isEnabledFor here too, from Python 3.11 on; said again for those that ask the logger.
        if self.isEnabledFor(level):
            super().log(level, msg, *args, **kwargs)

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """The message with its run behind it, and the same as fields of the record."""
        try:
            info = current().info
        except NotInWorkflow:
            return msg, kwargs
        place = {"workflow": info.workflow, "instance": info.instance, "run": info.run}
        return _with(msg, kwargs, place)


class ActivityLogger(logging.LoggerAdapter[logging.Logger]):
    """Adds activity, attempt, workflow, instance and run."""

    def process(self, msg: Any, kwargs: MutableMapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
        """The message with its attempt behind it, and the same as fields of the record."""
        attempt = CURRENT_ATTEMPT.get(None)
        if attempt is None:
            return msg, kwargs
        info = attempt.info
        place = {
            "activity": info.name,
            "attempt": info.attempt,
            "workflow": info.workflow,
            "instance": info.instance,
            "run": info.run,
        }
        return _with(msg, kwargs, place)


def _with(msg: Any, kwargs: MutableMapping[str, Any], place: Mapping[str, Any]) -> tuple[Any, MutableMapping[str, Any]]:
    kwargs["extra"] = {**place, **(kwargs.get("extra") or {})}
    shown = " ".join(f"{name}={value}" for name, value in place.items())
    # The message is a %-format if it has arguments: an id with a percent sign must not become part of it.
    return f"{msg} [{shown.replace('%', '%%') if '%' in shown else shown}]", kwargs
