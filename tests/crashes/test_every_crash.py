"""A death at every call: each shape of the corpus, in memory, and on Redis at a share (at all with --every-crash)."""

from __future__ import annotations

import pytest

from tests.crashes.corpus import SHAPES, offset_of, play

SHARE_IN_MEMORY = 3
SHARE_ON_REDIS = 16
"""Of the calls of a shape on Redis one in so many is tried in each run of the tests; others for other shapes."""
ORDERED = "guarded"
"""The shape whose client relays what it ordered: dies it on the way, the rest waits for a worker's sweep."""


def test_the_corpus_is_large_enough() -> None:
    """[G7] At least 25 ways in which workflows wait, fan out, listen, fail, have children and end."""
    assert len(SHAPES) >= 25


@pytest.mark.parametrize("name", SHAPES)
def test_p1_whoever_dies_at_any_call_the_end_is_the_same(name: str) -> None:
    """[P1, P2, P5, P6, P8, P10] [G7] [A8] Worker, keeper or client: each call, before and after; each turn replayed.

    Nothing waits for the net below everything (sweeps): what a death leaves is found at once by the next worker.
    """
    report = play(name, cache_size=0)
    assert report.by_net == ()
    # A thread may end between any two calls: with several the number of calls is not always the same.
    assert name == "threads" or report.unreached == ()


@pytest.mark.parametrize("name", SHAPES)
def test_p1_whoever_dies_among_four_partitions_the_end_is_the_same(name: str, every_crash: bool) -> None:
    """[P1, P2, P5, P6, P8, P10] [G7] [A5] Messages go by outboxes, executors are kept: deaths amid relays."""
    every = 1 if every_crash else SHARE_IN_MEMORY
    report = play(name, cache_size=1_000, partitions=4, every=every, offset=offset_of(name, every))
    assert "undisturbed" not in report.by_net
    assert name == ORDERED or report.by_net == ()


@pytest.mark.parametrize("name", SHAPES)
def test_p1_whoever_dies_on_redis_the_end_is_the_same(
    name: str, redis_url: str, partitions: int, every_crash: bool
) -> None:
    """[P1, P2, P5, P6, P8, P10] [G7] [A4] The same on a real Redis: cached with one partition, cold with four."""
    every = 1 if every_crash else SHARE_ON_REDIS
    offset = offset_of(name, every)
    for cache_size in (0, 1_000):
        if every_crash or (cache_size > 0) == (partitions == 1):
            play(name, cache_size=cache_size, partitions=partitions, url=redis_url, every=every, offset=offset)
