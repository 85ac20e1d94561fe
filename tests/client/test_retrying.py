"""Retrying: a broken connection neither loses an order nor carries it out twice."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import pytest

from rqflow.backend.memory.opening import forget_memory, open_memory, open_memory_sync
from rqflow.client import flow
from rqflow.client.asynchronous import AsyncClient
from rqflow.client.options import ClientOptions
from rqflow.client.starting import Request
from rqflow.client.sync import Client
from rqflow.errors import BackendFull, BackendUnavailable, InstanceNotFound
from tests.client.face import Face
from tests.client.faults import BreakingBackend, BreakingSyncBackend, Faults
from tests.conftest import fresh_name

SHORT = ClientOptions(retry_for=timedelta(seconds=0.3))


@pytest.fixture
def faults() -> Faults:
    """What is going to break."""
    return Faults()


@pytest.fixture(params=["sync", "async"])
async def shaky(request: pytest.FixtureRequest, faults: Faults) -> AsyncIterator[Face]:
    """A client of either kind whose connection breaks when told to; it does not try for long."""
    name = fresh_name("memory")
    if request.param == "sync":
        face = Face(Client(backend=BreakingSyncBackend(open_memory_sync(name, "default"), faults), options=SHORT))
    else:
        face = Face(AsyncClient(backend=BreakingBackend(open_memory(name, "default"), faults), options=SHORT))
    yield face
    forget_memory(name, "default")


async def test_a_start_whose_answer_was_lost_is_the_same_start(shaky: Face, faults: Faults) -> None:
    """[B4] It made the instance, and says so, although the second try found it there."""
    faults.after = 1
    handle = await shaky.start("checkout", id="order-1")
    assert handle.created
    assert len(await shaky.do("list")) == 1


async def test_many_starts_whose_answers_were_lost_are_the_same_starts(shaky: Face, faults: Faults) -> None:
    """Each of them, as if nothing had happened."""
    faults.after = 1
    answers = await shaky.do("start_many", [Request.of("checkout", id=f"order-{number}") for number in range(20)])
    assert all(answer.created for answer in answers)
    assert len(await shaky.do("list")) == 20


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_signal_is_neither_lost_nor_doubled(shaky: Face, faults: Faults, moment: str) -> None:
    """[P8] Whether the connection broke on the way there or back."""
    await shaky.start("checkout", id="order-1")
    setattr(faults, moment, 1)
    await shaky.do("signal", "order-1", "approve", 1)
    assert (await shaky.do("describe", "order-1")).inbox_length == 2


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_signal_with_start_is_neither_lost_nor_doubled(shaky: Face, faults: Faults, moment: str) -> None:
    """[F11] One instance, one signal."""
    setattr(faults, moment, 1)
    handle = await shaky.do("signal_with_start", "cart", id="cart-1", signal="add", value="apple")
    assert handle.created
    assert (await shaky.do("describe", "cart-1")).inbox_length == 2


@pytest.mark.parametrize(
    ("verb", "answer"), [("terminate", True), ("suspend", True), ("cancel", None), ("describe", ...)]
)
@pytest.mark.parametrize("moment", ["before", "after"])
async def test_an_order_that_was_sent_again_tells_that_it_was_carried_out(
    shaky: Face, faults: Faults, moment: str, verb: str, answer: Any
) -> None:
    """The second try finds nothing to do, and that is no "nothing was done"."""
    await shaky.start("checkout", id="order-1")
    setattr(faults, moment, 1)
    given = await shaky.do(verb, "order-1")
    assert answer is ... or given is answer
    assert faults.sends == 3


@pytest.mark.parametrize("moment", ["before", "after"])
async def test_a_purge_that_was_sent_again_counts_what_it_removed(shaky: Face, faults: Faults, moment: str) -> None:
    """[B8] What the second try no longer finds was removed by the first."""
    for number in range(3):
        await shaky.start("checkout", id=f"order-{number}")
    setattr(faults, moment, 1)
    assert await shaky.do("purge", "order-0", force=True) == 1
    with pytest.raises(InstanceNotFound):
        await shaky.do("purge", "order-0")
    assert await shaky.do("purge_many", force=True) == 2


async def test_a_store_that_stays_away_is_told_after_a_bounded_time(shaky: Face, faults: Faults) -> None:
    """[P10] Tries grow rarer, and end after retry_for."""
    await shaky.start("checkout", id="order-1")
    faults.before = 1_000
    with pytest.raises(BackendUnavailable, match="the connection broke"):
        await shaky.do("signal", "order-1", "approve")
    assert 2 < faults.sends < 20


async def test_a_wait_outlasts_a_short_outage(shaky: Face, faults: Faults) -> None:
    """Its reads are tried again like everything else."""
    await shaky.start("checkout", id="order-1")
    await shaky.do("terminate", "order-1", "enough")
    faults.before = 2
    seen = await shaky.do("watch", "order-1")
    assert [description.status for description in seen] == ["terminated"]


@pytest.mark.parametrize("cls", [Client, AsyncClient])
async def test_a_store_that_was_never_there_is_told_at_once(cls: type[Client | AsyncClient]) -> None:
    """A wrong address is not tried for long: one send, one error."""
    face = Face(cls("redis://127.0.0.1:1", options=ClientOptions(retry_for=timedelta(hours=1))))
    with pytest.raises(BackendUnavailable):
        await face.start("checkout")
    await face.close()


async def test_p1_a_refusal_does_not_deny_what_an_earlier_try_has_done(shaky: Face, faults: Faults) -> None:
    """[P1] The answer to the first try was lost, the second is refused: nobody says that nothing was written."""
    faults.after, faults.refused = 1, 1_000
    with pytest.raises(BackendUnavailable, match="full; an earlier try, whose answer was lost, may have been carried"):
        await shaky.start("checkout", id="order-1")
    faults.refused = 0
    assert len(await shaky.do("list")) == 1


async def test_a_refusal_after_a_lost_answer_is_tried_again(
    shaky: Face, faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When it passes in time, the caller learns what became of the first try."""
    monkeypatch.setattr(flow, "FIRST_PAUSE", 0.001)
    faults.after, faults.refused = 1, 2
    assert (await shaky.start("checkout", id="order-1")).created


async def test_a_refusal_of_the_first_try_is_told_at_once(shaky: Face, faults: Faults) -> None:
    """Nothing was written."""
    faults.refused = 1
    with pytest.raises(BackendFull):
        await shaky.start("checkout", id="order-1")
    assert faults.sends == 1
    assert await shaky.do("list") == []
