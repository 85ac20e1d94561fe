"""Naming: the ids of what a schedule starts, derived from schedule and slot: a repeated start is the same start."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Final

from rqflow.errors import BadInput

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_FIELD: Final = re.compile(r"\{([^{}]*)\}|[{}]")


def slot_text(slot_ms: int) -> str:
    """A slot as ids show it: 2026-03-29T01:30:00Z, in UTC; with milliseconds if it has some."""
    at = _EPOCH + timedelta(milliseconds=slot_ms)
    text = at.replace(tzinfo=None).isoformat(timespec="milliseconds" if slot_ms % 1_000 else "seconds")
    return text + "Z"


def instance_id(template: str, schedule: str, slot_ms: int) -> str:
    """The id that a template yields. Raises BadInput for a field that there is not, or an empty id."""

    def fill(found: re.Match[str]) -> str:
        match found[1]:
            case "schedule":
                return schedule
            case "slot":
                return slot_text(slot_ms)
            case _:
                raise BadInput(f"template {template!r}: it may hold {{schedule}} and {{slot}}, not {found[0]}")

    instance = _FIELD.sub(fill, template)
    if not instance:
        raise BadInput("template: an instance id is not empty")
    return instance


def run_id(generation: str, kind: str, slot_ms: int) -> str:
    """The run, and request id, of a start. `kind` tells a slot from a trigger and from each backfill of it."""
    return sha256("\x1f".join(("schedule", generation, kind, str(slot_ms))).encode()).hexdigest()[:32]
