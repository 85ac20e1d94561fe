"""Spec: all that was said of a schedule when it was written: when, what, and how it is treated."""

from __future__ import annotations

from dataclasses import dataclass

from rqflow.converters.convert import DEFAULT
from rqflow.schedules.policy import Action, Policy
from rqflow.schedules.timetable import Timetable


@dataclass(frozen=True, slots=True, kw_only=True)
class ScheduleSpec:
    """A schedule but for its id, its arguments and where it stands."""

    timetable: Timetable
    policy: Policy
    action: Action
    notes: str = ""
    """For people."""
    origin: str = ""
    """What wrote it: empty for code and commands, else the file (or modules) that it is applied from, and pruned by."""


def encode_spec(spec: ScheduleSpec) -> bytes:
    """As JSON. Raises BadValue where a field has another type."""
    return DEFAULT.encode(spec, ScheduleSpec, where="schedule")


def decode_spec(payload: bytes) -> ScheduleSpec:
    """Out of its JSON. Raises BadValue, and BadInput where its values cannot be."""
    spec: ScheduleSpec = DEFAULT.decode(payload, ScheduleSpec, where="schedule")
    return spec
