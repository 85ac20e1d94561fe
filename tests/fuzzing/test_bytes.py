"""Whatever bytes stand where an event, options, an address or an argument should: they are read or refused."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rqflow.core.options import ActivityOptions, Retry
from rqflow.core.wire import encode, encode_options, stored
from tests.core.test_wire import any_event
from tests.fuzzing.targets import SEEDS, TARGETS, follow, read_event, read_rest, read_words


def bent(whole: st.SearchStrategy[bytes]) -> st.SearchStrategy[bytes]:
    """Valid bytes with a piece cut out, put in or changed."""

    def bend(found: bytes, at: int, length: int, piece: bytes) -> bytes:
        at %= len(found) + 1
        return found[:at] + piece + found[at + length :]

    return st.builds(bend, whole, st.integers(0, 500), st.integers(0, 20), st.binary(max_size=12))


encoded = st.one_of(any_event.map(encode), any_event.map(lambda event: stored(5, "r", encode(event))))
options = st.just(encode_options(ActivityOptions(retry=Retry(max_attempts=3))))


@pytest.mark.parametrize("target", [*TARGETS.values()], ids=[*TARGETS])
@pytest.mark.parametrize("seed", range(len(SEEDS)))
def test_p7_what_was_found_once_is_refused_for_ever(target: Callable[[bytes], None], seed: int) -> None:
    """[P7] JSON bombs, numbers without end, halves of addresses."""
    target(SEEDS[seed])


@given(st.binary(max_size=300) | bent(encoded))
@settings(max_examples=400, deadline=None)
def test_p7_any_bytes_are_an_event_or_refused(data: bytes) -> None:
    """[P7] And an event that was read is written as it was read."""
    read_event(data)


@given(st.binary(max_size=200) | bent(options))
@settings(max_examples=200, deadline=None)
def test_p7_any_bytes_are_a_failure_or_options_or_refused(data: bytes) -> None:
    """[P7]"""
    read_rest(data)


@given(st.binary(max_size=120) | bent(st.sampled_from([b"redis://u:p@host:1/2?timeout=3", b"a:=[1] b=c d"])))
@settings(max_examples=300, deadline=None)
def test_p7_any_text_is_an_address_or_arguments_or_refused(data: bytes) -> None:
    """[P7] Without a word of a password in the message."""
    read_words(data)


@given(st.binary(min_size=4, max_size=90))
@settings(max_examples=400, deadline=None)
def test_p7_any_order_of_events_is_a_history_or_refused(data: bytes) -> None:
    """[P7, P4] No exception but ours, no end of the executor's patience; of a rerun neither."""
    follow(data)
