"""Every value: each kind that annotations can name survives start, activity and result; what does not fit is named."""

from __future__ import annotations

import pytest

from rqflow.authoring.workflows import Workflow
from tests.worker.every_value import EVERYTHING, carry, reflect, shipping, wrong_argument, wrong_number, wrong_result
from tests.worker.ground import Ground


@pytest.mark.parametrize("cache_size", [0, 1_000], ids=["cold", "warm"])
async def test_every_kind_of_value_survives_start_activity_and_result(ground: Ground, cache_size: int) -> None:
    """[A10] Equal and of its class at each station."""
    async with ground.worker(carry, reflect, cache_size=cache_size):
        outcome = await ground.end(await ground.start(carry, EVERYTHING))
    assert outcome.status == "completed", outcome
    back = carry.decode_result(outcome.payload)
    assert back == EVERYTHING
    assert [type(value) for value in vars(back).values()] == [type(value) for value in vars(EVERYTHING).values()]


@pytest.mark.parametrize(
    ("flow", "says"),
    [
        (wrong_result, "activity shipping, result: expected int, got str 'de'"),
        (wrong_argument, "activity shipping, parameter country: expected str, got int 7"),
        (wrong_number, "workflow wrong_number, result: expected"),
    ],
    ids=["result", "argument", "NaN"],
)
async def test_a_value_that_does_not_fit_is_named_with_expected_and_got(
    ground: Ground, flow: Workflow[[], object], says: str
) -> None:
    """[A2] Workflow or activity, parameter, what was expected, what was got: in the failure that the caller sees."""
    async with ground.worker(flow, shipping):
        failure = await ground.failure(await ground.start(flow))
    told = f"{failure.message} {failure.cause.message if failure.cause else ''}"
    assert says in told
    assert "got" in told
