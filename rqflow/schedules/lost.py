"""Lost: what has been open for long without a word is asked after: a failover may have taken it, or its end."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from rqflow.schedules.ledger import Ledger
from rqflow.schedules.state import Running

CHECK_EVERY: Final = 600_000
"""Milliseconds without a word of a run, after which it is asked after."""
CHECK_AHEAD: Final = 30_000
"""Milliseconds before the next slot in which there is time for that, so that a lost run does not stand in its way."""
CHECK_PAUSE: Final = 1_000
"""Milliseconds between looks for this alone."""
MAX_CHECKS: Final = 20
"""Of one step."""


def ask_after(ledger: Ledger, now_ms: int) -> None:
    """Those that were not asked after for longest; what is new in the books counts as seen now."""
    running = ledger.state.running
    late = sorted((one for one in running if _checked(one, now_ms) + CHECK_EVERY <= now_ms), key=_checked)[:MAX_CHECKS]
    ledger.checks += late
    seen = {one.run for one in running if one.checked_ms is None} | {one.run for one in late}
    running = tuple(replace(one, checked_ms=now_ms) if one.run in seen else one for one in running)
    ledger.state = replace(ledger.state, running=running)


def look_again(ledger: Ledger, now_ms: int) -> int | None:
    """When the next slot fires; sooner if something is to be asked after that somebody waits for, or soon will."""
    fires_ms = ledger.state.fires_ms
    if not ledger.state.running:
        return fires_ms
    check_ms = max(min(map(_checked, ledger.state.running)) + CHECK_EVERY, now_ms + CHECK_PAUSE)
    if ledger.line or ledger.state.backfills:
        return check_ms if fires_ms is None else min(check_ms, fires_ms)
    if fires_ms is None or ledger.policy.overlap == "allow":
        return fires_ms
    return min(max(check_ms, fires_ms - CHECK_AHEAD), fires_ms)


def _checked(one: Running, first_ms: int = 0) -> int:
    return first_ms if one.checked_ms is None else one.checked_ms
