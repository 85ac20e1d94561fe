"""Times: durations and moments as the milliseconds that scripts reckon in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
_LAST_MS: Final = (datetime.max.replace(tzinfo=UTC) - _EPOCH) // _MS


def span_ms(span: timedelta) -> int:
    """A duration; a negative one is none."""
    return max(0, span // _MS)


def span_ms_or(span: timedelta | None, none: int) -> int:
    """A duration, or `none` where there is none."""
    return none if span is None else span_ms(span)


def ms_of(at: datetime) -> int:
    """A moment, since the epoch."""
    return (at - _EPOCH) // _MS


def moment(at_ms: int) -> datetime:
    """The moment, in UTC; one later than any date is shown as the last."""
    return _EPOCH + min(at_ms, _LAST_MS) * _MS
