"""Suspect calls: what a store is told of turns that were lost with a worker before."""

from __future__ import annotations

from rqflow.backend.calls.call import Call
from rqflow.values import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginTurn(Call[None]):
    """Told before a turn that was lost before is begun again: lost without this, it had not begun, and is not to blame
    for the death of its worker (P7). Raises LeaseLost."""

    instance: str
    run: str
    token: str
