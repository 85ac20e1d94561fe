"""Showing: the words of workflow code for what others can see of a run while it runs."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rqflow.authoring import state
from rqflow.core.options import AttributeValue


class ShowWords:
    """Part of `workflow`: status, attributes, events."""

    def set_status(self, value: Any) -> None:
        """Show a JSON value as the instance's custom status: read without a worker. Raises BadValue."""
        state.set_status(value)

    def set_attributes(
        self, values: Mapping[str, AttributeValue | None] | None = None, /, **more: AttributeValue | None
    ) -> None:
        """Change the values that the instance is listed by: str, int, float or bool; None removes. Raises BadInput."""
        state.set_attributes(values if values is not None else {}, more)

    def emit(self, name: str, value: Any = None) -> None:
        """Put an event on the hub's stream, in the same commit as the step. Raises BadValue, BadInput."""
        state.emit(name, value)
