"""Wishes: the words of workflow code that become commands, and the futures that they give back."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta

from rqflow.converters.json import dump_json
from rqflow.core import commands
from rqflow.core.events import Payload, WorkflowStarted
from rqflow.core.failure import failure_of
from rqflow.core.futures import DurableTimer
from rqflow.core.gate import Gate, RunDropped
from rqflow.core.ids import child_id, child_run, place_seed
from rqflow.core.ledger import Ledger
from rqflow.core.loop import RunLoop, delay_ms
from rqflow.core.options import ActivityOptions, Attributes, ChildOptions
from rqflow.core.outcomes import side_effect_error
from rqflow.core.run import ChildFutures
from rqflow.core.waiters import ActivityFuture, ChildFuture, SendFuture, TimerFuture
from rqflow.core.wire import decode_failure, encode_failure
from rqflow.errors import BadInput, ReplayMismatch


class Wishes:
    """What one run asks of the world."""

    def __init__(self, started: WorkflowStarted) -> None:
        self.started = started
        self.gate = Gate()
        self.ledger = Ledger(self.gate)
        self.loop = RunLoop(self, self.gate, place_seed(started.run))  # type: ignore[abstract]  # guards.py sets them
        self.replaying = False
        self.ended_outside = False
        """The history that is replayed ends with an end that the code did not come to."""
        self.mismatch: ReplayMismatch | None = None
        """Found where user code could swallow it; the step is over as soon as it is set."""

    def call_activity(self, name: str, payload: Payload, options: ActivityOptions) -> ActivityFuture:
        id = self.ledger.next_id(f"calling activity {name!r}")
        future = ActivityFuture(self.loop.place(), self.loop, self.ledger, id, name)
        queue = options.queue or self.started.queue
        self.ledger.ask(
            commands.ScheduleActivity(id=id, name=name, queue=queue, options=options, payload=payload), future
        )
        return future

    def start_child(self, workflow: str, payload: Payload, options: ChildOptions, *, tell_start: bool) -> ChildFutures:
        id = self.ledger.next_id(f"starting child {workflow!r}")
        started = self.started
        instance = options.id or child_id(started.instance, started.run, id)
        future = ChildFuture(self.loop.place(), self.loop, self.ledger, id=id, name=workflow, instance=instance)
        self.ledger.ask(
            commands.StartChild(
                id=id,
                workflow=workflow,
                instance=instance,
                run=child_run(started.run, id),
                queue=options.queue or started.queue,
                options=options,
                tell_start=tell_start,
                headers=started.headers,
                payload=payload,
            ),
            future,
        )
        return ChildFutures(instance, future.started, future)

    def send_signal(self, instance: str, name: str, payload: Payload) -> SendFuture:
        id = self.ledger.next_id(f"signalling {name!r}")
        future = SendFuture(self.loop.place(), self.loop, self.ledger, id, instance)
        self.ledger.ask(commands.SendSignal(id=id, instance=instance, name=name, payload=payload), future)
        return future

    def send_cancel(self, instance: str, reason: str) -> SendFuture:
        id = self.ledger.next_id("cancelling another instance")
        future = SendFuture(self.loop.place(), self.loop, self.ledger, id, instance)
        self.ledger.ask(commands.SendCancel(id=id, instance=instance, reason=reason), future)
        return future

    def sleep(self, seconds: float, name: str) -> asyncio.Future[None]:
        wait = delay_ms(seconds)
        if seconds < 0:
            raise BadInput(f"cannot sleep for {seconds!r} seconds: the duration is negative")
        if not wait:
            done = self.loop.create_future()
            done.set_result(None)
            return done
        id = self.ledger.next_id("sleeping")
        future = TimerFuture(self.loop.place(), self.loop, self.ledger, id, name)
        self.ledger.ask(commands.StartTimer(id=id, delay=timedelta(milliseconds=wait), name=name), future)
        return future

    def start_timer(self, timer: DurableTimer, wait_ms: int) -> None:
        """A `call_later` of the loop."""
        timer.id = self.ledger.next_id("waiting for a time")
        self.ledger.ask(commands.StartTimer(id=timer.id, delay=timedelta(milliseconds=wait_ms)), timer)

    def cancel_timer(self, timer: DurableTimer) -> None:
        """A `call_later` is taken back."""
        self.gate.check("cancelling a timer")
        if self.ledger.withdraw(timer.id):
            id = self.ledger.next_id("cancelling a timer")
            self.ledger.ask(commands.CancelTimer(id=id, target=timer.id))

    def side_effect(self, produce: Callable[[], Payload]) -> Payload:
        id = self.ledger.next_id("workflow.side_effect")
        recorded = self.ledger.recorded_effect(id)
        if recorded is not None:
            payload, failed = recorded.payload, recorded.failed
        else:
            payload, failed = self._draw(id, produce)
        self.ledger.ask(commands.RecordSideEffect(id=id, failed=failed, payload=payload))
        if failed:
            raise side_effect_error(decode_failure(payload))
        return payload

    def _draw(self, id: int, produce: Callable[[], Payload]) -> tuple[Payload, bool]:
        if self.replaying:
            # Drawing again could give another value than the one the run went on with. User code may swallow what is
            # raised here, so the step is ended too.
            self.loop.stopped = True
            if self.ended_outside:
                raise RunDropped("the run was ended before its code came to this side effect")
            asked = f"SideEffectRecorded #{id}"
            self.mismatch = ReplayMismatch(self.ledger.settled + 1, "no such side effect", asked)
            raise self.mismatch
        self.gate.reading = "a side effect"
        try:
            return produce(), False
        except Exception as error:
            return encode_failure(failure_of(error)), True
        finally:
            self.gate.reading = ""

    def set_status(self, payload: Payload) -> None:
        self.ledger.ask(commands.SetStatus(id=self.ledger.next_id("workflow.set_status"), payload=payload))

    def set_attributes(self, changes: Attributes, removed: tuple[str, ...]) -> None:
        id = self.ledger.next_id("workflow.set_attributes")
        payload = dump_json({**changes, **dict.fromkeys(removed)})
        self.ledger.ask(commands.SetAttributes(id=id, changes=dict(changes), removed=removed, payload=payload))

    def emit(self, name: str, payload: Payload) -> None:
        id = self.ledger.next_id(f"emitting {name!r}")
        self.ledger.ask(commands.EmitEvent(id=id, name=name, payload=payload))
