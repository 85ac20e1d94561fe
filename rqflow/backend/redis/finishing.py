"""Finishing: the other ends of a task: an activity's end or retry, an answer, a task set aside or given back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rqflow.backend.calls.call import Call
from rqflow.backend.calls.checks import check_payloads
from rqflow.backend.calls.suspects import BeginTurn
from rqflow.backend.calls.tasks import AnswerQuery, CompleteActivity, GiveBack, RetryActivity, Stall
from rqflow.backend.redis.commands import Command, Place, Translator, nothing
from rqflow.backend.redis.rows import answer_value
from rqflow.backend.redis.times import span_ms


def complete_activity(call: CompleteActivity, place: Place) -> Command[None]:
    """An activity has ended. Raises PayloadTooLarge."""
    check_payloads((call.event.partition(b"\n")[2],), place.limits)
    return place.command(
        call,
        "complete_activity",
        nothing,
        instance=call.instance,
        run=call.run,
        id=call.id,
        token=call.token,
        event=call.event,
    )


def retry_activity(call: RetryActivity, place: Place) -> Command[None]:
    """An attempt failed."""
    return place.command(
        call,
        "retry_activity",
        nothing,
        instance=call.instance,
        run=call.run,
        id=call.id,
        token=call.token,
        delay_ms=span_ms(call.delay),
        failure=call.failure,
        lost=int(call.lost),
    )


def answer_query(call: AnswerQuery, place: Place) -> Command[None]:
    """A question has its answer. Raises PayloadTooLarge."""
    check_payloads((call.answer.payload,), place.limits)
    return place.command(
        call,
        "answer_query",
        nothing,
        worker=call.worker,
        instance=call.instance,
        query=call.query,
        token=call.token,
        answer=answer_value(call.answer.accepted, call.answer.payload),
    )


def begin_turn(call: BeginTurn, place: Place) -> Command[None]:
    """A turn that was lost before begins."""
    return place.command(call, "begin_turn", nothing, instance=call.instance, run=call.run, token=call.token)


def stall(call: Stall, place: Place) -> Command[None]:
    """Set an instance aside."""
    return place.command(
        call,
        "stall",
        nothing,
        instance=call.instance,
        run=call.run,
        token=call.token,
        reason=call.reason,
        build=call.build,
    )


def give_back(call: GiveBack, place: Place) -> Command[None]:
    """Return a task unfinished."""
    return place.command(
        call,
        "give_back",
        nothing,
        instance=call.instance,
        run=call.run,
        token=call.token,
        activity=call.activity,
        delay_ms=span_ms(call.delay),
        unknown=call.unknown,
    )


TRANSLATORS: Final[Mapping[type[Call[Any]], Translator]] = {
    CompleteActivity: complete_activity,
    RetryActivity: retry_activity,
    AnswerQuery: answer_query,
    BeginTurn: begin_turn,
    Stall: stall,
    GiveBack: give_back,
}
