"""Wire: events, options and failures as bytes, read back exactly or refused with a reason."""

from __future__ import annotations

import contextlib
from datetime import timedelta
from typing import Any, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rqflow.converters.json import dump_json
from rqflow.core import events
from rqflow.core.events import Event, ParentLink, ScheduleLink, Stamped
from rqflow.core.failure import MAX_CAUSES
from rqflow.core.options import ActivityOptions, Retry
from rqflow.core.wire import (
    VERSION,
    decode,
    decode_failure,
    decode_options,
    decode_stored,
    encode,
    encode_options,
    split_stored,
    stored,
)
from rqflow.errors import BadValue, CorruptEvent, ReplayError, UnknownEvent, UnknownVersion

whole = st.integers(-(2**63), 2**63 - 1)
spans = st.none() | st.timedeltas(timedelta(0), timedelta(days=9_999)).map(
    lambda span: span - span % timedelta(milliseconds=1)
)
parents = st.none() | st.builds(ParentLink, instance=st.text(), run=st.text(), command=whole)
by_type: dict[Any, st.SearchStrategy[Any]] = {int: whole, str: st.text(), bytes: st.binary(), bool: st.booleans()}
by_type[int | None] = st.none() | whole
by_type[tuple[int, ...]] = st.lists(whole, max_size=3).map(tuple)


all_types: list[Any] = [
    cls
    for cls in vars(events).values()
    if isinstance(cls, type) and cls.__module__ == events.__name__ and cls not in (ParentLink, ScheduleLink, Stamped)
]


links = st.builds(
    ScheduleLink,
    schedule=st.text(),
    slot_ms=whole,
    last_success_ms=st.none() | whole,
    last_result=st.none() | st.binary(),
)


def events_of(cls: Any) -> st.SearchStrategy[Event]:
    """Any event of this class."""
    if cls is events.WorkflowStarted:
        return st.builds(
            cls,
            workflow=st.text(),
            instance=st.text(),
            run=st.text(),
            queue=st.text(),
            parent=parents,
            continued_from=st.none() | st.text(),
            timeout_ms=st.none() | whole,
            headers=st.lists(st.tuples(st.text(), st.text()), max_size=3).map(tuple),
            schedule=st.none() | links,
            payload=st.binary(),
        )
    return st.builds(cls, **{name: by_type[kind] for name, kind in get_type_hints(cls).items()})


any_event = st.one_of(*map(events_of, all_types))
any_json = st.recursive(
    st.none() | st.booleans() | whole | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)


@given(any_event)
def test_every_event_comes_back_as_it_was(event: Event) -> None:
    """Payloads of any bytes, newlines included; text of any Unicode; numbers to 63 bits."""
    assert decode(encode(event)) == event


@given(any_event, st.integers(0, 2**53), st.sampled_from("ir"))
def test_a_stored_event_keeps_its_time_and_scope(event: Event, at_ms: int, scope: str) -> None:
    """What the store puts in front is taken off again."""
    data = stored(at_ms, scope, encode(event))
    assert split_stored(data) == (at_ms, scope, encode(event))
    assert decode_stored(data) == Stamped(at_ms=at_ms, event=event)


@given(st.binary())
def test_random_bytes_are_refused_and_never_break_the_reader(data: bytes) -> None:
    """[P7] Whatever stands in the store, only a ReplayError comes out."""
    for read in (decode, decode_stored, decode_failure, decode_options):
        with pytest.raises(ReplayError):
            read(data)


@given(st.sampled_from([cls.__name__ for cls in all_types]), st.lists(any_json, max_size=10), st.binary(max_size=5))
def test_headers_of_the_wrong_shape_are_refused_or_read(name: str, fields: list[Any], payload: bytes) -> None:
    """[P7] Right type, wrong fields: an event that can be written again, or a ReplayError."""
    try:
        event = decode(dump_json([VERSION, name, *fields]) + b"\n" + payload)
    except ReplayError:
        return
    assert decode(encode(event)) == event


@given(any_json)
def test_options_and_failures_of_the_wrong_shape_are_refused_or_read(value: Any) -> None:
    """[P7] Any JSON at all: a value or a ReplayError."""
    for read in (decode_options, decode_failure, decode):
        with contextlib.suppress(ReplayError):
            read(dump_json(value))


@given(
    st.builds(
        ActivityOptions,
        timeout=spans,
        heartbeat=spans,
        schedule_to_close=spans,
        retry=st.none()
        | st.builds(
            Retry,
            max_attempts=st.none() | st.integers(1, 100),
            initial=spans.filter(bool),
            coefficient=st.floats(1, 10),
            max_interval=spans.filter(bool),
            jitter=st.floats(0, 1),
            total_time=spans,
            non_retryable=st.lists(st.text(), max_size=3).map(tuple),
        ),
    )
)
def test_options_come_back_as_they_were(options: ActivityOptions) -> None:
    """All that the worker of the activity needs to time and retry it."""
    assert decode_options(encode_options(options)) == options


def test_a_newer_version_says_what_to_do() -> None:
    """A history written by a newer rqflow stalls here, and goes on with a worker that can read it."""
    with pytest.raises(UnknownVersion, match="wire version 2, this rqflow reads up to 1"):
        decode(b'[2,"TimerFired",1]')
    with pytest.raises(UnknownVersion):
        decode(b'[0,"TimerFired",1]')


def test_an_unknown_type_says_its_name() -> None:
    """The same, for a type that came without a new version."""
    with pytest.raises(UnknownEvent, match="'TimerExploded'"):
        decode(b'[1,"TimerExploded",1]')


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"{}",
        b"[1]",
        b'["1","TimerFired",1]',
        b"[1,2,3]",
        b'[true,"TimerFired",1]',
        b'[1,"TimerFired"]',
        b'[1,"TimerFired","1"]',
        b'[1,"TimerFired",true]',
        b'[1,"TimerFired",1,2]',
        b'[1,"WorkflowRerun","r","s",["1"]]',
        b'[1,"TimerFired",1',
        b'[1,"WorkflowStarted","w","i","r","q",[1,2]]',
        b'[1,"WorkflowStarted","w","i","r","q",[1,"r",3]]',
        b'[1,"WorkflowStarted","w","i","r","q",5]',
        b'[1,"WorkflowStarted","w","i","r","q",null,5]',
        b'[1,"WorkflowStarted","w","i","r","q",null,null,"5"]',
        b'[1,"WorkflowStarted","w","i","r","q",null,null,null,7]',
        b'[1,"WorkflowStarted","w","i","r","q",null,null,null,["x"]]',
        b'[1,"WorkflowStarted","w","i","r","q",null,null,null,[["a",1]]]',
        *(
            b'[1,"WorkflowStarted","w","i","r","q",null,null,null,[],' + link + b"]"
            for link in (b"7", b"[]", b'["s",1,2]', b'[1,1,2,""]', b'["s","1",2,""]', b'["s",1,"2",""]', b'["s",1,2,3]')
        ),
        b'[1,"WorkflowStarted","w","i","r","q",null,null,null,[],["s",1,2,"not base64"]]',
        b"[" * 5_000,
    ],
)
def test_corrupt_events_are_refused(data: bytes) -> None:
    """[P7] Truncated, of another shape, with a field of another type, nested without end."""
    with pytest.raises(CorruptEvent):
        decode(data)


@pytest.mark.parametrize("data", [b"", b"1", b"1 i", b"x i [1]", b"1 z [1]", "²  i [1]".encode(), b"-1 i [1]"])
def test_corrupt_stored_events_are_refused(data: bytes) -> None:
    """Time and scope must stand in front."""
    with pytest.raises(CorruptEvent):
        split_stored(data)


def test_corrupt_failures_and_options_are_refused() -> None:
    """No JSON, or no object; a duration that no timedelta holds."""
    for data in (b"", b"[]", b"null", b"5"):
        with pytest.raises(CorruptEvent):
            decode_failure(data)
    huge = encode_options(ActivityOptions()).replace(b'"timeout_ms":null', b'"timeout_ms":1e300')
    with pytest.raises(CorruptEvent):
        decode_options(huge)


def test_a_failure_with_endless_causes_is_read_to_a_bound() -> None:
    """[P10] Whoever wrote it."""
    wire: dict[str, Any] = {"type": "innermost"}
    for _ in range(100):
        wire = {"type": "outer", "cause": wire}
    failure, links = decode_failure(dump_json(wire)), 0
    while failure.cause is not None:
        failure, links = failure.cause, links + 1
    assert links == MAX_CAUSES


def test_text_that_utf8_cannot_hold_is_refused_at_the_writer() -> None:
    """Half a surrogate is a bad value where it is given, not where it is read."""
    with pytest.raises(BadValue):
        encode(events.SignalReceived(name="\ud800"))
