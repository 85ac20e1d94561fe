"""Steering: signal, cancel, terminate, suspend, resume, and purge."""

from __future__ import annotations

from typing import Any

import pytest

from rqflow.errors import BadInput, InstanceClosed, InstanceNotClosed, InstanceNotFound, PayloadTooLarge
from tests.client.face import Face


async def test_a_signal_waits_in_the_inbox(face: Face) -> None:
    """[B5] Sent through the client or the handle, before any worker runs."""
    handle = await face.start("checkout", id="order-1")
    await face.do("signal", "order-1", "approve", {"by": "ann"})
    await face.on(handle, "signal", "approve")
    assert (await face.do("describe", "order-1")).inbox_length == 3


async def test_a_signal_sent_twice_with_one_request_id_counts_once(face: Face) -> None:
    """[B21] So that whoever does not know whether it arrived can send it again."""
    await face.start("checkout", id="order-1")
    for _ in range(3):
        await face.do("signal", "order-1", "approve", request_id="click-7")
    assert (await face.do("describe", "order-1")).inbox_length == 2


async def test_a_cancel_request_sent_twice_with_one_request_id_counts_once(face: Face) -> None:
    """[B21] A second one would cancel the cleanup that the first one began."""
    await face.start("checkout", id="order-1")
    for _ in range(3):
        await face.do("cancel", "order-1", "changed my mind", request_id="click-8")
    assert (await face.do("describe", "order-1")).inbox_length == 2


def approve(by: str, level: int = 1) -> None:
    """A handler of several parameters."""


def rate(stars: int) -> None:
    """A handler of one parameter."""


async def test_a_signal_by_its_handler_is_held_against_the_annotations(caller: Face) -> None:
    """A value that does not fit is refused at the caller, with the parameter's name."""
    await caller.start("checkout", id="order-1")
    await caller.do("signal", "order-1", rate, 5)
    await caller.do("signal", "order-1", approve, {"by": "ann", "level": 2})
    await caller.do("signal", "order-1", approve, ("ann", 2))
    with pytest.raises(BadInput, match="stars"):
        await caller.do("signal", "order-1", rate, "five")
    with pytest.raises(BadInput, match="level"):
        await caller.do("signal", "order-1", approve, ("ann", "two"))
    assert (await caller.do("describe", "order-1")).inbox_length == 4


@pytest.mark.parametrize(
    "verb", ["cancel", "terminate", "suspend", "resume", "describe", "result", "purge", "custom_status"]
)
async def test_a_verb_for_an_unknown_instance_says_so(face: Face, verb: str) -> None:
    """[A2] The id is in the message."""
    with pytest.raises(InstanceNotFound, match="'nobody'"):
        await face.do(verb, "nobody")
    with pytest.raises(InstanceNotFound, match="'nobody'"):
        await face.on(face.client.handle("nobody"), verb)


@pytest.mark.parametrize("verb", ["signal", "query", "update"])
async def test_a_message_for_an_unknown_instance_says_so(face: Face, verb: str) -> None:
    """[A2] The id is in the message."""
    with pytest.raises(InstanceNotFound, match="'nobody'"):
        await face.do(verb, "nobody", "name")


@pytest.mark.parametrize("verb", ["signal", "update"])
async def test_an_ended_instance_takes_no_message(face: Face, verb: str) -> None:
    """[A2] InstanceClosed has the status."""
    await face.start("checkout", id="order-1")
    await face.do("terminate", "order-1")
    with pytest.raises(InstanceClosed, match="terminated"):
        await face.do(verb, "order-1", "approve")


@pytest.mark.parametrize("verb", ["cancel", "suspend", "resume"])
async def test_an_ended_instance_takes_no_order(face: Face, verb: str) -> None:
    """[A2] Terminate is the exception: it tells that there was nothing to do."""
    await face.start("checkout", id="order-1")
    assert await face.do("terminate", "order-1", "enough") is True
    assert await face.do("terminate", "order-1") is False
    with pytest.raises(InstanceClosed):
        await face.do(verb, "order-1")


async def test_a_cancel_request_shows_in_the_description(face: Face) -> None:
    """The code is asked, not forced: the instance is open still."""
    handle = await face.start("checkout", id="order-1")
    await face.on(handle, "cancel", "changed my mind")
    found = await face.on(handle, "describe")
    assert (found.status, found.cancel_requested) == ("running", True)


async def test_suspend_and_resume_tell_whether_they_did_something(face: Face) -> None:
    """[B6] The reason is kept."""
    handle = await face.start("checkout", id="order-1")
    assert await face.on(handle, "suspend", "holiday") is True
    assert await face.on(handle, "suspend") is False
    found = await face.on(handle, "describe")
    assert (found.status, found.reason) == ("suspended", "holiday")
    assert await face.on(handle, "resume") is True
    assert await face.on(handle, "resume") is False


async def test_purge_removes_what_has_ended_and_refuses_what_runs(face: Face) -> None:
    """[B8] Forced, it removes both."""
    await face.start("checkout", id="order-1")
    await face.start("checkout", id="order-2")
    with pytest.raises(InstanceNotClosed, match="running"):
        await face.do("purge", "order-1")
    await face.do("terminate", "order-1")
    assert await face.do("purge", "order-1") == 1
    assert await face.do("purge", "order-2", force=True) == 1
    assert await face.do("list") == []


async def test_purge_many_removes_what_a_filter_finds_and_has_ended(face: Face) -> None:
    """[A10][B8] Open ones stay, and others that do not meet the filter."""
    for number in range(30):
        await face.start("checkout" if number % 2 else "other", id=f"order-{number}")
        if number < 20:
            await face.do("terminate", f"order-{number}")
    assert await face.do("purge_many", workflow="checkout") == 10
    assert len(await face.do("list")) == 20
    assert await face.do("purge_many", force=True) == 20
    assert await face.do("list") == []


BAD: list[tuple[str, tuple[Any, ...], str]] = [
    ("signal", ("", "approve"), "instance id is empty"),
    ("signal", ("order-1", ""), "signal name"),
    ("signal", ("order-1", 7), "signal must be a name or a function"),
    ("signal", ("order-1", "x" * 300), "signal name"),
    ("signal", ("order-1", "approve", float("nan")), "signal 'approve'"),
    ("signal", ("order-1", "approve", object()), "signal 'approve'"),
    ("query", ("order-1", ""), "query name"),
    ("update", ("order-1", "a b"), "update name"),
    ("cancel", ("order-1", 7), "reason must be text"),
    ("result", ("\ud83d",), "surrogate"),
    ("purge", ("x" * 600,), "600 bytes"),
]


@pytest.mark.parametrize(("verb", "args", "message"), BAD)
async def test_a_bad_argument_is_refused_before_anything_is_sent(
    caller: Face, verb: str, args: tuple[Any, ...], message: str
) -> None:
    """One clear error; the inbox has only the start."""
    await caller.start("checkout", id="order-1")
    with pytest.raises(BadInput) as caught:
        await caller.do(verb, *args)
    assert message in str(caught.value)
    assert (await caller.do("describe", "order-1")).inbox_length == 1


@pytest.mark.parametrize("verb", ["signal", "query", "update"])
async def test_a_message_over_the_payload_limit_is_refused(caller: Face, verb: str) -> None:
    """The message names it."""
    await caller.start("checkout", id="order-1")
    with pytest.raises(PayloadTooLarge, match=f"{verb} 'approve'"):
        await caller.do(verb, "order-1", "approve", "x" * 1_100_000)
