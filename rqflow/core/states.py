"""States: the life of an instance and of a command, as tables; everything that changes a state is in here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, TypeAlias

from rqflow.errors import IllegalTransition

Table: TypeAlias = Mapping[tuple[str, str], str]

INSTANCE: Final[Table] = {
    ("pending", "begin"): "running",
    ("pending", "suspend"): "suspended",
    ("pending", "terminate"): "terminated",
    ("pending", "cancel"): "running",
    ("running", "complete"): "completed",
    ("running", "fail"): "failed",
    ("running", "cancel"): "running",
    ("running", "end_canceled"): "canceled",
    ("running", "continue"): "running",
    ("running", "terminate"): "terminated",
    ("running", "time_out"): "timed_out",
    ("running", "suspend"): "suspended",
    ("running", "stall"): "stalled",
    ("suspended", "complete"): "completed",
    ("suspended", "fail"): "failed",
    ("suspended", "end_canceled"): "canceled",
    ("suspended", "continue"): "suspended",
    ("suspended", "resume"): "running",
    ("suspended", "cancel"): "suspended",
    ("suspended", "terminate"): "terminated",
    ("suspended", "time_out"): "timed_out",
    ("suspended", "stall"): "stalled",
    ("stalled", "resume"): "running",
    ("stalled", "suspend"): "suspended",
    ("stalled", "cancel"): "stalled",
    ("stalled", "terminate"): "terminated",
    ("stalled", "time_out"): "timed_out",
}
"""An instance's status. A suspended one may still end: its last turn was under way when it was suspended."""

COMMAND: Final[Table] = {
    ("pending", "commit"): "committed",
    ("pending", "cancel"): "canceled",
    ("committed", "cancel"): "cancel_requested",
    ("committed", "resolve"): "done",
    ("cancel_requested", "resolve"): "done",
}
"""A command's state. Pending: asked for in the step that is being taken, and dropped if that same step cancels it."""

INSTANCE_STATUSES: Final = (
    "pending", "running", "suspended", "stalled", "completed", "failed", "canceled", "terminated", "timed_out",
)  # fmt: skip
CLOSED: Final = frozenset({"completed", "failed", "canceled", "terminated", "timed_out"})
OPEN: Final = frozenset(INSTANCE_STATUSES) - CLOSED


def advance(table: Table, state: str, trigger: str) -> str:
    """The state after `trigger`. Raises IllegalTransition: what is not in the table cannot happen."""
    try:
        return table[state, trigger]
    except KeyError:
        raise IllegalTransition(state, trigger) from None
