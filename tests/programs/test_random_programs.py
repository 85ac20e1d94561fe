"""Random programs: what workers make of workflows that nobody thought of, held against a reference and replayed."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import event, given
from hypothesis import strategies as st

from rqflow.backend.calls.hubs import HubInfo
from rqflow.backend.opening import open_backend, open_sync_backend
from tests.programs.budget import SEED, VARIABLE, drawn
from tests.programs.checks import check
from tests.programs.language import Program, from_json, to_json
from tests.programs.on_redis import check_all
from tests.programs.strategy import crews, programs
from tests.programs.world import Crew

pytestmark = pytest.mark.timeout(300)  # a failure takes its time to be shrunk
MANY = 12
"""Programs beside each other on Redis."""


@pytest.fixture(autouse=True)
def told() -> None:
    """Print the seed beside a failure."""
    print(f"drawn from seed {SEED}: set {VARIABLE}={SEED} to have the same programs again")  # noqa: T201


@drawn(75)
@given(programs, crews(fates=0))
def test_a_random_program_comes_to_what_the_reference_allows(program: Program, crew: Crew) -> None:
    """[P2, P4, P5, P8] With one worker or two, cached or not, in one partition or four. Every history is replayed from
    each prefix, in random pieces, and at once."""
    for label in check(program, crew):
        event(label)


@drawn(75)
@given(programs, crews(fates=3), st.integers(0, 99))
def test_a_random_program_comes_to_the_same_when_workers_die(program: Program, crew: Crew, seed: int) -> None:
    """[P1, P2, P4, P5, P6, P8] Up to three workers die at random calls, one after the other, that arrive or not."""
    for label in check(program, crew, seed):
        event(label)


def test_random_programs_come_to_what_the_reference_allows_on_redis(redis_url: str, hub: HubInfo) -> None:
    """[P1, P2, P4, P5, P8] Twelve at a time; of three workers one caches, one does not, and one dies. What overtakes
    what is not known there, so the reference allows more."""

    @drawn(2, shrink=False)
    @given(st.data())
    def try_many(data: st.DataObject) -> None:
        async def run() -> None:
            backend, leases = await open_backend(redis_url, hub.name), open_sync_backend(redis_url, hub.name)
            try:
                await check_all(backend, leases, data.draw(many), death_at=data.draw(st.integers(1, 200)))
            finally:
                leases.close()
                await backend.close()

        asyncio.run(run())

    many = st.lists(programs, min_size=MANY, max_size=MANY)
    try_many()


@drawn(50)
@given(programs)
def test_a_program_survives_its_encoding(program: Program) -> None:
    """What a worker reads is what was drawn."""
    assert from_json(to_json(program)) == program
