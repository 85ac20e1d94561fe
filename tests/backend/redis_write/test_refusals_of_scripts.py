"""Refusals: what scripts answer with instead of an error of Redis, read as our errors."""

from __future__ import annotations

import pytest

from rqflow.backend.redis.commands import refusal
from rqflow.errors import (
    BackendRefused,
    InstanceClosed,
    InstanceExists,
    InstanceNotClosed,
    InstanceNotFound,
    LeaseLost,
    LimitReached,
    RqflowError,
    RunNotFound,
)


@pytest.mark.parametrize(
    ("reply", "error"),
    [
        ([b"missing", b"i"], InstanceNotFound),
        ([b"closed", b"i", b"failed"], InstanceClosed),
        ([b"open", b"i", b"running"], InstanceNotClosed),
        ([b"exists", b"i", b"running"], InstanceExists),
        ([b"run", b"i", b"r"], RunNotFound),
        ([b"limit", b"news", 5, b"wait"], LimitReached),
        ([b"lease", b"1-0@x"], LeaseLost),
        ([b"of a newer", b"rqflow"], BackendRefused),
    ],
)
def test_a_refusal_becomes_the_error_that_callers_know(reply: list[bytes | int], error: type[RqflowError]) -> None:
    """One that only a newer rqflow knows is told as it came."""
    found = refusal([b"err", *reply])
    assert type(found) is error
    for part in reply[1:]:
        assert (part.decode() if isinstance(part, bytes) else str(part)) in str(found)
