"""Execution: an activity's arguments in, its result out; what does not fit is told apart from what its code raises."""

from __future__ import annotations

from typing import Any

from rqflow.authoring.activities import Activity
from rqflow.core.events import Payload
from rqflow.errors import BadInput


class Unfit(Exception):
    """Arguments or a result that do not fit: trying again would not change that. The cause says what."""

    def __init__(self, error: BadInput) -> None:
        super().__init__(str(error))
        self.error = error


def arguments(activity: Activity[..., Any], payload: Payload) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """What to call the function with. Raises Unfit."""
    try:
        return activity.decode_call(payload)
    except BadInput as error:
        raise Unfit(error) from None


def result(activity: Activity[..., Any], value: Any) -> Payload:
    """What the function returned, encoded. Raises Unfit."""
    try:
        return activity.encode_result(value)
    except BadInput as error:
        raise Unfit(error) from None


def call(activity: Activity[..., Any], payload: Payload) -> Payload:
    """Call a plain function. Raises Unfit, and whatever it raises."""
    args, kwargs = arguments(activity, payload)
    return result(activity, activity.fn(*args, **kwargs))


async def call_async(activity: Activity[..., Any], payload: Payload) -> Payload:
    """Call a coroutine function. Raises Unfit, and whatever it raises."""
    args, kwargs = arguments(activity, payload)
    return result(activity, await activity.fn(*args, **kwargs))
