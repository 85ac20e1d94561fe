"""Queries: questions to instances, their answers, and the answers of updates."""

from __future__ import annotations

from typing import Final

from rqflow.backend.calls.instances import Answer, Ask, ReadQueryAnswer, ReadUpdateAnswer
from rqflow.backend.calls.tasks import AnswerQuery
from rqflow.backend.memory.failures import encoded_failure
from rqflow.backend.memory.limits import check_payloads
from rqflow.backend.memory.partition import Partition, span_ms
from rqflow.backend.memory.streams import Question, Ticket, own_of, workflows_of
from rqflow.core.states import CLOSED
from rqflow.errors import LeaseLost

ANSWERS_KEPT_MS: Final = 60_000


def ask(partition: Partition, call: Ask) -> None:
    """Queue a question, for the worker that keeps the executor if it lives. An ended instance answers too."""
    row = partition.row(call.instance)
    check_payloads((call.payload,), partition.limits)
    stream = own_of(row.sticky) if row.sticky and partition.alive(row.sticky) else workflows_of(row.queue)
    question = Question(
        query=call.query,
        name=call.name,
        payload=call.payload,
        expires_at_ms=partition.now_ms + span_ms(call.timeout),
    )
    ticket = Ticket(kind="query", instance=row.instance, run=row.run, question=question)
    partition.streams.put(stream, ticket, partition.now_ms)


def answer_query(partition: Partition, call: AnswerQuery) -> None:
    """Keep the answer for a minute. Raises LeaseLost."""
    ticket = partition.streams.tickets.get(call.token)
    if ticket is None or ticket.worker != call.worker or ticket.question is None:
        raise LeaseLost(call.token)
    partition.streams.drop(call.token)
    partition.query_answers[call.query] = (call.answer, partition.now_ms + ANSWERS_KEPT_MS)
    partition.changed.add(call.instance)


def read_query_answer(partition: Partition, call: ReadQueryAnswer) -> Answer | None:
    """The answer, while it is kept."""
    found = partition.query_answers.get(call.query)
    return None if found is None else found[0]


def read_update_answer(partition: Partition, call: ReadUpdateAnswer) -> Answer | None:
    """The answer, or a failure if the instance has ended and none will come."""
    row = partition.row(call.instance)
    found = row.answers.get(call.update)
    if found is None and row.status in CLOSED:
        message = f"instance {row.instance!r} has ended ({row.status}) without answering"
        return Answer(accepted=False, payload=encoded_failure("rqflow.errors.UpdateFailed", message, "not_found"))
    return found
