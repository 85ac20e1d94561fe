"""Updates: signals that answer: each is validated, handled and answered, or told why not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from rqflow.core.commands import AnswerUpdate
from rqflow.core.events import Payload, UpdateRequested
from rqflow.core.failure import Failure, failure_of
from rqflow.core.futures import RunTask
from rqflow.core.gate import ContinueAsNew, Gate
from rqflow.core.ledger import Ledger
from rqflow.core.loop import RunLoop
from rqflow.core.wire import encode_failure
from rqflow.errors import UnknownName

Handler: TypeAlias = Callable[[Payload], Awaitable[Payload]]
Validator: TypeAlias = Callable[[Payload], None]


class Updates:
    """The updates of one run."""

    __slots__ = ("_begun", "_gate", "_handlers", "_ledger", "_loop", "_waiting")

    def __init__(self, loop: RunLoop, gate: Gate, ledger: Ledger) -> None:
        self._loop = loop
        self._gate = gate
        self._ledger = ledger
        self._handlers: dict[str, tuple[Handler, Validator | None]] = {}
        self._waiting: list[tuple[int, UpdateRequested]] = []
        self._begun: dict[str, None] = {}

    def deliver(self, order: int, event: UpdateRequested) -> None:
        """Take in an update."""
        self._waiting.append((order, event))
        self._loop.call_soon(self._begin_known)

    def handle(self, name: str, handler: Handler, validator: Validator | None) -> None:
        """Answer updates of this name from now on."""
        self._gate.check("workflow.on_update")
        self._handlers[name] = handler, validator
        if self._waiting:
            self._loop.call_soon(self._begin_known)

    def refuse_unknown(self) -> None:
        """At the end of a step: what no handler has asked for by now is refused."""
        if not self._waiting:
            return
        waiting, self._waiting = self._waiting, []
        for _, event in waiting:
            self._refuse(event.update, failure_of(UnknownName("update", event.name, tuple(sorted(self._handlers)))))

    def unread(self) -> list[tuple[int, UpdateRequested]]:
        """What no handler has begun."""
        return self._waiting

    def end(self, *, carried: bool) -> None:
        """The run ends: whoever still waits for an answer is told so; `carried` ones are answered by the next run."""
        if not self._waiting and not self._begun:
            return
        left = [] if carried else [event.update for _, event in self._waiting]
        for update in [*self._begun, *left]:
            why = f"the run ended before update {update!r} was answered"
            self._refuse(update, Failure(type="rqflow.errors.UpdateFailed", message=why, kind="canceled"))
        self._begun, self._waiting = {}, []

    def forget(self) -> None:
        """Drop everything."""
        self._handlers, self._waiting, self._begun = {}, [], {}

    def _begin_known(self) -> None:
        waiting, self._waiting = self._waiting, []
        for order, event in waiting:
            known = self._handlers.get(event.name)
            if known is None:
                self._waiting.append((order, event))
            else:
                self._begin(event, *known)

    def _begin(self, event: UpdateRequested, handler: Handler, validator: Validator | None) -> None:
        if validator is not None:
            self._gate.reading = f"the validator of update {event.name!r}"
            try:
                validator(event.payload)
            except Exception as error:
                self._gate.reading = ""
                self._refuse(event.update, failure_of(error))
                return
            finally:
                self._gate.reading = ""
        self._begun[event.update] = None
        task = self._loop.create_task(_answer(handler, event.payload), name=f"update {event.name}")
        task.add_done_callback(lambda done: self._ended(event.update, done))

    def _ended(self, update: str, task: RunTask[Payload]) -> None:
        if task.cancelled():
            failure = Failure(type="asyncio.CancelledError", message="its handler was cancelled", kind="canceled")
            self._answer(update, False, encode_failure(failure))
        elif isinstance(error := task.exception(), ContinueAsNew):
            raise error
        elif error is not None:
            self._answer(update, False, encode_failure(failure_of(error)))
        else:
            self._answer(update, True, task.result())

    def _answer(self, update: str, accepted: bool, payload: Payload) -> None:
        self._begun.pop(update, None)
        id = self._ledger.next_id("answering an update")
        self._ledger.ask(AnswerUpdate(id=id, update=update, accepted=accepted, payload=payload))

    def _refuse(self, update: str, failure: Failure) -> None:
        self._answer(update, False, encode_failure(failure))


async def _answer(handler: Handler, payload: Payload) -> Payload:
    return await handler(payload)
