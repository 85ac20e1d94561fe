"""Shapes: a corpus of workflow functions, one for each way in which code can wait, fan out, listen and end."""

from __future__ import annotations

import asyncio
import contextvars

from rqflow.core.events import Payload
from rqflow.errors import OutcomeError
from tests.core.stage import Main, call, child, run

Value = contextvars.ContextVar("Value", default=b"")


async def sequence(payload: Payload) -> Payload:
    total = payload
    for number in range(4):
        total += await call(f"step-{number}", total[-4:])
    return total


async def fan_out(payload: Payload) -> Payload:
    answers = await asyncio.gather(*(call("work", b"%d" % number) for number in range(6)), return_exceptions=True)
    return b",".join(each if isinstance(each, bytes) else b"!" for each in answers)


async def first_of_many(payload: Payload) -> Payload:
    tasks = {asyncio.ensure_future(call(f"racer-{number}")) for number in range(5)}
    order = []
    while tasks:
        done, tasks = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            order.append(b"x" if task.exception() else task.result())
            await asyncio.sleep(0.01)
        if len(order) > 2:
            for task in tasks:
                task.cancel()
            break
    return b"".join(order)


async def deadline(payload: Payload) -> Payload:
    try:
        async with asyncio.timeout(30):
            return bytes(await call("slow"))
    except TimeoutError:
        return bytes(await call("too-late"))


async def waits_for(payload: Payload) -> Payload:
    try:
        return await asyncio.wait_for(run().receive("approve"), 60)
    except TimeoutError:
        run().set_status(b'"given up"')
        return b"nobody"


async def task_group(payload: Payload) -> Payload:
    found: list[bytes] = []

    async def branch(number: int) -> None:
        await asyncio.sleep(number)
        found.append(await call(f"branch-{number}"))

    try:
        async with asyncio.TaskGroup() as group:
            for number in range(4):
                group.create_task(branch(number))
    except* OutcomeError as failed:
        found.append(b"failed %d" % len(failed.exceptions))
    await call("after")
    return b"|".join(found)


async def signals(payload: Payload) -> Payload:
    got: list[bytes] = []
    while len(got) < 4:
        got.append(await run().receive("approve"))
        run().emit("got", got[-1])
    return b"".join(got)


async def handlers(payload: Payload) -> Payload:
    seen: list[bytes] = []

    async def on_approve(value: Payload) -> None:
        await asyncio.sleep(0.5)
        seen.append(value)

    run().on_signal("approve", on_approve)
    run().on_signal("other", seen.append)
    await run().wait_until(lambda: len(seen) >= 3)
    return b"".join(seen)


async def updates(payload: Payload) -> Payload:
    total = 0

    async def add(value: Payload) -> Payload:
        nonlocal total
        await call("check", value)
        total += len(value)
        return b"%d" % total

    def validate(value: Payload) -> None:
        if len(value) > 3:
            raise ValueError("too long")

    run().on_update("add", add, validate)
    await run().wait_until(lambda: total > 5)
    return b"%d" % total


async def children(payload: Payload) -> Payload:
    one, two = child("kid", b"1", tell_start=True), child("kid", b"2")
    await asyncio.wait([one.started])
    await asyncio.wait([run().send_signal(one.instance, "hello", b"")])
    answers = await asyncio.gather(one.ended, two.ended, return_exceptions=True)
    return b"".join(each if isinstance(each, bytes) else b"?" for each in answers)


async def canceled_with_cleanup(payload: Payload) -> Payload:
    try:
        await asyncio.gather(call("one"), run().sleep(100, "long"), child("kid").ended)
    except asyncio.CancelledError:
        await asyncio.shield(call("undo"))
        raise
    except OutcomeError:
        return b"failed"
    return b"done"


async def chance(payload: Payload) -> Payload:
    drawn = run().side_effect(lambda: b"drawn")
    number = run().random.randrange(5)
    for index in range(number):
        await call(f"lucky-{index}", drawn)
    run().set_attributes({"number": number}, ("old",))
    return b"%d" % run().random.randrange(1_000_000)


async def pipeline(payload: Payload) -> Payload:
    queue: asyncio.Queue[int] = asyncio.Queue(2)
    limit = asyncio.Semaphore(2)
    done: list[int] = []

    async def work() -> None:
        while True:
            number = await queue.get()
            async with limit:
                await asyncio.wait([call("item", b"%d" % number)])
            done.append(number)
            queue.task_done()

    workers = [asyncio.create_task(work()) for _ in range(3)]
    for number in range(6):
        await queue.put(number)
    await queue.join()
    for worker in workers:
        worker.cancel()
    return bytes(done)


async def barrier(payload: Payload) -> Payload:
    meeting, order = asyncio.Barrier(3), []
    lock, changed = asyncio.Lock(), asyncio.Condition()

    async def party(number: int) -> None:
        Value.set(b"%d" % number)
        await asyncio.sleep(1 + number % 2)
        async with meeting:
            async with lock:
                order.append(Value.get())
            async with changed:
                changed.notify_all()

    parties = [asyncio.create_task(party(number)) for number in range(3)]
    async with changed:
        await changed.wait_for(lambda: len(order) >= 2)
    await asyncio.gather(*parties)
    return b"".join(order) + Value.get()


async def as_completed(payload: Payload) -> Payload:
    order = []
    for next_one in asyncio.as_completed([call(f"racer-{number}") for number in range(4)], timeout=50):
        try:
            order.append(await next_one)
        except (OutcomeError, TimeoutError):
            order.append(b"!")
            await call("note")
    return b"".join(order)


async def continues(payload: Payload) -> Payload:
    for _ in range(3):
        await run().receive("approve")
    run().continue_as_new(None, payload + b"+")


async def nested_timeouts(payload: Payload) -> Payload:
    path = []
    for seconds in (10, 5):
        try:
            async with asyncio.timeout(seconds), asyncio.timeout(7):
                path.append(await call(f"within-{seconds}"))
        except TimeoutError:
            path.append(b"late")
    return b"".join(path)


async def fails(payload: Payload) -> Payload:
    try:
        await call("work")
    finally:
        await run().sleep(1, "cool down")
    raise ValueError("always")


async def forgetful(payload: Payload) -> Payload:
    async def background() -> None:
        await call("background")
        raise ValueError("nobody looks")

    asyncio.create_task(background())  # noqa: RUF006
    await asyncio.sleep(20)
    return b"done"


async def local_steps(payload: Payload) -> Payload:
    """Local activities in a row, beside each other, and in a race with everything else; each notes its time."""
    times = []
    for number in range(3):
        await asyncio.wait([call(f"local-{number}", payload, local=True)])
        times.append(b"%d" % (run().now().timestamp() * 1000))
    both = [call("local", local="durable"), call("far"), call("late-local", local=True)]
    answers = await asyncio.gather(*both[:2], return_exceptions=True)
    both[2].cancel()
    try:
        async with asyncio.timeout(5):
            answers.append(await call("racing", local=True))
    except (TimeoutError, OutcomeError):
        await call("after", b",".join(times))
    return b",".join([*times, *(each if isinstance(each, bytes) else b"!" for each in answers)])


SHAPES: dict[str, Main] = {
    shape.__name__: shape
    for shape in (
        sequence,
        fan_out,
        first_of_many,
        deadline,
        waits_for,
        task_group,
        signals,
        handlers,
        updates,
        children,
        canceled_with_cleanup,
        chance,
        pipeline,
        barrier,
        as_completed,
        continues,
        nested_timeouts,
        fails,
        forgetful,
        local_steps,
    )
}
