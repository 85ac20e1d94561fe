"""Saga: steps are taken back in reverse order when a later one fails, whatever else happens meanwhile [G5]."""

from __future__ import annotations

from rqflow.authoring.workflow_face import workflow
from rqflow.core import events
from rqflow.core.commands import Continue
from rqflow.core.failure import Failure
from rqflow.core.wire import encode_failure
from tests.authoring.following import Following
from tests.authoring.shop import Order, charge, refund, send_mail


@workflow
async def books(order: Order) -> str:
    async with workflow.saga() as saga:
        payment = await charge(order)
        saga.add(refund, payment)
        await send_mail("ann")
        saga.add(send_mail, "bob", urgent=True)
        await workflow.receive("end")
    return payment


def fail_activity(run: Following) -> events.ActivityFailed:
    number = run.commands[-1].id
    return events.ActivityFailed(id=number, payload=encode_failure(Failure(type="shop.Broken", message="broken")))


def booked() -> Following:
    run = Following(books, Order("1"))
    run.complete("charge", "p-1")
    run.complete("send_mail")
    return run


def test_g5_a_saga_takes_back_its_steps_in_reverse_order() -> None:
    """One after the other, the last one first; then the cancellation goes on [G5]."""
    run = booked()
    run.tell(events.CancelRequested(reason="enough"))
    assert run.asked() == ["charge", "send_mail", "send_mail"]
    run.complete("send_mail")
    assert run.asked()[-1] == "refund"
    run.complete("refund", 3)
    assert isinstance(run.decision.close, events.WorkflowCanceled)


def test_g5_compensation_is_not_stopped_by_a_second_cancellation() -> None:
    """What has begun to be undone is undone to the end [G5]."""
    run = booked()
    run.tell(events.CancelRequested(reason="enough"))
    run.tell(events.CancelRequested(reason="now!"))
    run.complete("send_mail")
    run.complete("refund", 3)
    assert isinstance(run.decision.close, events.WorkflowCanceled)


def test_g5_a_compensation_that_fails_does_not_stop_the_others() -> None:
    """The run then fails: something is left as it should not be [G5]."""
    run = booked()
    run.tell(events.CancelRequested(reason="enough"))
    run.tell(fail_activity(run))
    assert run.asked()[-1] == "refund"
    run.complete("refund", 3)
    assert run.failure.startswith("rqflow.errors.CompensationFailed: compensation send_mail failed: ActivityFailed")


def test_g5_a_saga_that_succeeds_takes_nothing_back() -> None:
    """Nothing is left behind either [G5]."""
    run = booked()
    run.signal("end")
    assert run.result == "p-1"
    assert run.asked() == ["charge", "send_mail"]


def test_g5_a_saga_passes_on_what_failed() -> None:
    """And goes on as new without undoing anything [G5]."""

    @workflow
    async def breaks(again: bool) -> None:
        async with workflow.saga() as saga:
            saga.add(refund, "p")
            if again:
                workflow.continue_as_new(again=True)
            raise ValueError("no")

    run = Following(breaks, again=False)
    run.complete("refund", 1)
    assert run.failure == "builtins.ValueError: no"
    run = Following(breaks, again=True)
    assert isinstance(run.decision.close, Continue)
    assert run.asked() == []
