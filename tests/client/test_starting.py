"""Starting: ids, policies, repeated requests, batches, and what is refused before anything is sent."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from rqflow.authoring.activity_face import activity
from rqflow.client.options import StartKeywords, StartOptions
from rqflow.client.starting import Request
from rqflow.errors import BadInput, InstanceExists, PayloadTooLarge, RqflowError
from tests.client.face import Face


async def test_a_start_by_name_makes_an_instance_with_the_options_that_were_given(face: Face) -> None:
    """Queue, attributes, priority, lane and the times of a delayed start are found in its description."""
    at = datetime.now(UTC) + timedelta(hours=1)
    handle = await face.start(
        "checkout",
        {"n": 1},
        id="order 42",
        queue="eu",
        attributes={"city": "Köln", "n": 3},
        priority=5,
        lane="a",
        at=at,
    )
    found = await face.on(handle, "describe")
    assert (handle.id, handle.created) == ("order 42", True)
    assert (found.workflow, found.status, found.queue, found.run) == ("checkout", "pending", "eu", handle.run)
    assert found.attributes == {"city": "Köln", "n": 3}
    assert (found.priority, found.lane) == (5, "a")
    assert abs(found.start_at - at) < timedelta(seconds=1)


async def test_an_instance_without_an_id_is_given_one(face: Face) -> None:
    """Two starts without id are two instances."""
    first, second = await face.start("checkout"), await face.start("checkout")
    assert first.id != second.id
    assert len(await face.do("list")) == 2


async def test_arguments_by_keyword_go_through_with_options(face: Face) -> None:
    """There every argument is the workflow's, also one that is named like an option."""
    starter = face.client.with_options(id="order-1")
    handle = await face.on(starter, "start", "checkout", id="inner", queue="also inner")
    assert handle.id == "order-1"
    [started] = [row for row in await face.do("list") if row.instance == "order-1"]
    assert started.queue == "default"


@pytest.mark.parametrize("policy", ["fail", "use_existing", "terminate_existing"])
async def test_an_open_instance_with_the_same_id_is_treated_as_the_policy_says(face: Face, policy: str) -> None:
    """[B4] Refused, used, or terminated and replaced, in one step."""
    before = await face.start("checkout", id="order-1")
    if policy == "fail":
        with pytest.raises(InstanceExists, match="running"):
            await face.start("checkout", id="order-1", on_conflict=policy)
        return
    after = await face.start("checkout", id="order-1", on_conflict=policy)
    assert (after.run == before.run) == (policy == "use_existing")
    assert after.created == (policy != "use_existing")


@pytest.mark.parametrize(("policy", "allowed"), [("allow", True), ("allow_failed", True), ("reject", False)])
async def test_the_id_of_an_ended_instance_is_given_again_as_the_policy_says(
    face: Face, policy: str, allowed: bool
) -> None:
    """[B4] Terminated counts as failed; reject never gives an id twice."""
    before = await face.start("checkout", id="order-1")
    await face.do("terminate", "order-1")
    if allowed:
        after = await face.start("checkout", id="order-1", on_reuse=policy)
        assert after.run != before.run
    else:
        with pytest.raises(InstanceExists, match="terminated"):
            await face.start("checkout", id="order-1", on_reuse=policy)


async def test_a_start_that_is_repeated_with_its_request_id_is_the_same_start(face: Face) -> None:
    """[B4] Whatever has become of it meanwhile; another request with that id is refused."""
    before = await face.start("checkout", id="order-1", request_id="click-7")
    again = await face.start("checkout", id="order-1", request_id="click-7")
    await face.do("terminate", "order-1")
    late = await face.start("checkout", id="order-1", request_id="click-7", on_reuse="reject")
    assert before.run == again.run == late.run
    other = await face.start("checkout", id="order-2", request_id="click-7")
    assert other.run != before.run, "a request id counts for one instance only"


async def test_a_request_id_alone_names_the_instance_too(face: Face) -> None:
    """Without an id it is derived, so that the repeat finds it."""
    before = await face.start("checkout", request_id="click-7")
    again = await face.start("checkout", request_id="click-7")
    assert (before.id, before.run) == (again.id, again.run)


async def test_many_starts_are_answered_each_by_itself(face: Face) -> None:
    """[F2] A taken id and a bad one harm no other; the order is kept."""
    await face.start("checkout", id="taken")
    requests = [Request.of("checkout", number, id=f"order-{number}") for number in range(1_200)]
    requests[3] = Request.of("checkout", id="taken")
    requests[700] = Request.of("checkout", id="")
    answers = await face.do("start_many", requests)
    assert [type(answer) for answer in (answers[3], answers[700])] == [InstanceExists, BadInput]
    assert [answer.id for answer in answers if not isinstance(answer, RqflowError)] == [
        f"order-{number}" for number in range(1_200) if number not in (3, 700)
    ]
    assert (await face.do("stats")).statuses["running"] == 1_199


async def test_no_start_is_no_round_trip(face: Face) -> None:
    """An empty list gives an empty list."""
    assert await face.do("start_many", []) == []


async def test_a_signal_with_start_begins_or_joins(face: Face) -> None:
    """[F11] The first one starts the instance, the second is given to the same one; both signals are kept in order."""
    first = await face.do("signal_with_start", "cart", id="cart-1", signal="add", value="apple")
    second = await face.do("signal_with_start", "cart", id="cart-1", signal="add", value="pear")
    assert (first.created, second.created, first.run) == (True, False, second.run)
    assert (await face.do("describe", "cart-1")).inbox_length == 3


async def test_a_signal_with_start_that_is_repeated_counts_once(face: Face) -> None:
    """[F11] The request id names the signal too."""
    for _ in range(3):
        await face.do("signal_with_start", "cart", id="cart-1", signal="add", value="apple", request_id="click-7")
    assert (await face.do("describe", "cart-1")).inbox_length == 2


BAD: list[tuple[dict[str, Any], str]] = [
    ({"id": ""}, "instance id is empty"),
    ({"id": 7}, "instance id must be text, not int"),
    ({"id": "x" * 10_240}, "10,240 bytes long in UTF-8, the limit is 512"),
    ({"id": "é" * 300}, "600 bytes long"),
    ({"id": "a\nb"}, "control character at position 1"),
    ({"id": "a\x00"}, "control character at position 1"),
    ({"id": "\ud83d"}, "half a surrogate pair"),
    ({"queue": " "}, "queue name"),
    ({"queue": "q" * 300}, "queue name"),
    ({"on_conflict": "replace"}, "on_conflict is 'replace'; it can be fail, use_existing, terminate_existing"),
    ({"on_reuse": "never"}, "on_reuse is 'never'"),
    ({"priority": 1.5}, "priority must be"),
    ({"lane": "a\tb"}, "lane name"),
    ({"request_id": ""}, "request_id is empty"),
    ({"delay": -1}, "delay"),
    ({"delay": float("nan")}, "delay"),
    ({"delay": timedelta(days=9_000)}, "more than ten years"),
    ({"delay": "soon"}, "delay must be a timedelta or a number of seconds"),
    ({"delay": 1, "at": datetime.now(UTC)}, "delay or at, not both"),
    ({"at": datetime(2027, 1, 1)}, "at has no time zone"),  # noqa: DTZ001
    ({"at": datetime(2999, 1, 1, tzinfo=UTC)}, "more than ten years ahead"),
    ({"at": "2027-01-01"}, "at must be a datetime, not str"),
    ({"timeout": 0}, "timeout"),
    ({"timeout": 1e-5}, "timeout is shorter than a millisecond"),
    ({"retention": float("inf")}, "retention"),
    ({"attributes": {"a": None}}, "attribute a is None"),
    ({"attributes": {"a": [1]}}, "attribute a must be str, int, float or bool, got list"),
    ({"attributes": {"a": float("nan")}}, "attribute a must be finite"),
    ({"attributes": {"a": 2**60}}, "attribute a must be an int of at most 53 bits"),
    ({"attributes": {"a": "ü" * 200}}, "attribute a is 400 bytes long, the limit is 256"),
    ({"attributes": {f"a{n}": n for n in range(40)}}, "40 attributes given, the limit is 32"),
    ({"attributes": [("a", 1)]}, "attributes must be a mapping, not list"),
    ({"headers": (("a",),)}, "header"),
    ({"headers": tuple((str(n), "x") for n in range(40))}, "at most 32"),
    ({"qeueu": "eu"}, "start has no option 'qeueu'"),
]


@pytest.mark.parametrize(("options", "message"), BAD, ids=[message for _, message in BAD])
async def test_a_bad_option_is_refused_before_anything_is_sent(
    caller: Face, options: dict[str, Any], message: str
) -> None:
    """One clear error that names the option; no instance comes of it."""
    with pytest.raises(BadInput) as caught:
        await caller.start("checkout", **options)
    assert message in str(caught.value)
    assert await caller.do("list") == []


@pytest.mark.parametrize("id", ["order 42", "заказ-7", "注文", "🛒 cart", "a/b:c{d}*?[x]", "x" * 512])
async def test_an_id_may_be_any_text(face: Face, id: str) -> None:
    """Spaces, any script, and what means something to Redis or a shell; it comes back as it was given."""
    handle = await face.start("checkout", id=id)
    assert (await face.on(handle, "describe")).instance == id
    assert [row.instance for row in await face.do("list", id_prefix=id[:3])] == [id]


async def test_arguments_over_the_payload_limit_are_refused_by_name(caller: Face) -> None:
    """The message names the workflow and both sizes."""
    with pytest.raises(PayloadTooLarge, match=r"arguments of workflow 'checkout'.*limit is 1,048,576"):
        await caller.start("checkout", "x" * 1_100_000)


@pytest.mark.parametrize("workflow", [len, None, 7, object()])
async def test_what_is_no_workflow_is_refused(caller: Face, workflow: Any) -> None:
    """A plain function is told how to become one."""
    with pytest.raises(BadInput, match="is no workflow"):
        await caller.start(workflow)


@activity
async def pack(order: str) -> None:
    """No workflow."""


async def test_an_activity_is_not_started_as_a_workflow(caller: Face) -> None:
    """No worker would ever find a workflow of its name."""
    with pytest.raises(BadInput, match="pack is no workflow"):
        await caller.start(pack, "order-1")


async def test_arguments_of_a_named_workflow_are_positional_or_named(caller: Face) -> None:
    """Of a name alone nobody knows how the two mix."""
    starter = caller.client.with_options()
    with pytest.raises(BadInput, match="by position or all by keyword"):
        await caller.on(starter, "start", "checkout", 1, total=2)


def test_the_keywords_of_start_are_the_start_options() -> None:
    """Two lists of one thing, kept equal."""
    assert set(StartKeywords.__annotations__) == set(StartOptions.__dataclass_fields__)
