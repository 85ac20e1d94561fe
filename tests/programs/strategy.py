"""Strategy: how Hypothesis draws programs: small ones first, so that what fails is shrunk to little."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from tests.programs.language import (
    Child,
    Count,
    Draw,
    Echo,
    Gather,
    Group,
    Hear,
    Leave,
    Nap,
    Node,
    Note,
    Nowhere,
    Oops,
    Program,
    Race,
    Send,
    Seq,
    Shield,
    Step,
    Try,
    Within,
    marked,
)
from tests.programs.world import Crew, Fate

LEAVES = 10
"""About so many leaves has the largest body."""

units = st.integers(1, 6)
steps = st.builds(
    Step,
    failures=st.sampled_from((0, 0, 0, 1, 2)),
    attempts=st.integers(1, 3),
    delay=units,
    thread=st.booleans(),
    local=st.sampled_from(("", "local", "", "durable")),
)
hears: st.SearchStrategy[Node] = st.builds(Hear)
hears_late: st.SearchStrategy[Node] = st.builds(
    lambda nap, several: Seq((Nap(nap), *several)), units, st.lists(hears, min_size=1, max_size=3)
)
"""Signals that came meanwhile are kept until then."""
leaves: st.SearchStrategy[Node] = st.one_of(
    hears,
    hears_late,
    steps,
    st.builds(Nap, units, named=st.booleans()),
    hears,
    st.builds(Note, st.sampled_from(("status", "attribute", "event"))),
    st.builds(Draw, st.sampled_from(("effect", "random", "uuid", "now"))),
    st.builds(Count, st.sampled_from(("updates", "handled")), st.integers(0, 3)),
    st.builds(Echo),
    st.builds(Oops) | st.builds(Nowhere),
)


def _larger(node: st.SearchStrategy[Node]) -> st.SearchStrategy[Node]:
    several = st.lists(node, min_size=1, max_size=3).map(tuple)
    return st.one_of(
        st.builds(Seq, several),
        st.builds(Race, several),
        st.builds(Within, units, node),
        st.builds(Gather, several, collect=st.booleans()),
        st.builds(Group, several),
        st.builds(Try, node, st.none() | node, st.none() | node),
        st.builds(Shield, node),
        st.builds(Child, node),
        st.builds(Child, node, signals=st.integers(0, 2), cancel_after=st.integers(-1, 4), handle=st.just(True)),
        st.builds(Leave, node, st.sampled_from(("terminate", "abandon", "cancel"))),
    )


bodies: st.SearchStrategy[Node] = st.recursive(leaves, _larger, max_leaves=LEAVES)
moments = st.just(0) | st.integers(0, 8)
sends = st.one_of(
    st.builds(Send, moments, st.just("signal")),
    st.builds(Send, moments, st.just("signal"), st.sampled_from(("", "branch-1", "branch-2", "branch-3"))),
    st.builds(Send, moments, st.sampled_from(("handled", "update", "cancel"))),
)
programs: st.SearchStrategy[Program] = st.builds(
    Program,
    st.lists(bodies, min_size=1, max_size=3).map(tuple),
    (st.lists(sends, max_size=6) | st.lists(sends, min_size=2, max_size=8)).map(
        lambda drawn: tuple(sorted(drawn, key=lambda send: send.at))
    ),
).map(marked)


def crews(*, fates: int) -> st.SearchStrategy[Crew]:
    """Who runs it, with at most so many deaths."""
    fate: st.SearchStrategy[Any] = st.builds(Fate, st.integers(1, 40), st.booleans())
    return st.builds(
        Crew,
        workers=st.integers(1, 2),
        partitions=st.sampled_from((1, 4)),
        cache_size=st.sampled_from((1_000, 0, 1)),
        fates=st.lists(fate, min_size=min(1, fates), max_size=fates).map(tuple),
    )
