"""Verify, live: large instances in pages, and hubs that change between two looks, are no violations."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any, cast

import pytest

from rqflow.backend.calls.instances import Purge
from rqflow.backend.calls.tasks import Unregister
from rqflow.backend.redis.keys import TEMPLATES
from rqflow.backend.redis.resp import RedisCommand, ServerError
from rqflow.backend.redis.verify.kinds import TYPE_OF, kind_of
from rqflow.backend.redis.verify.looks import MOST
from rqflow.backend.redis.verify.sequences import History, check_inbox
from rqflow.core import commands, events
from rqflow.core.commands import Continue
from rqflow.core.options import ChildOptions
from rqflow.core.wire import encode, stored
from rqflow.errors import BackendError
from tests.backend.redis_write.checked import Checked, checked, looks_at
from tests.backend.redis_write.scripted import Scripted
from tests.backend.redis_write.twins import carry_all

MINUTE = timedelta(minutes=1)


@pytest.fixture
def hub(store: Scripted) -> Iterator[Checked]:
    """An empty hub of one partition, with a worker."""
    store.register()
    with checked(store) as check:
        yield check


def grow(store: Scripted, length: int) -> str:
    """An instance with a long history. Its run."""
    run = store.start("long").run
    asked = [commands.RecordSideEffect(id=id) for id in range(1, length)]
    store.commit(store.turn("long"), *asked)
    return run


def test_a_long_history_is_read_in_pages(hub: Checked) -> None:
    """[P2] One event of thousands is spoiled, and is found."""
    run = grow(hub.store, 3_500)
    assert hub.violations() == ()
    hub.store.redis.lset(hub.store.key("history", run), 3_210, "nonsense")
    [event, size] = hub.violations()
    assert (event.word, event.instance) == ("history_event", "long")
    assert "3211" in event.wrong
    assert size.word == "history_bytes"


def test_a_history_that_goes_while_it_is_read_is_no_violation(hub: Checked) -> None:
    """[P2] Its instance is purged between two pages."""
    grow(hub.store, 2_500)

    def purge(command: RedisCommand) -> None:
        if looks_at(command, "look_history") and command[-1] != 0:
            hub.servers.between = lambda command: None
            hub.store.do(Purge(partition=0, instance="long", force=True))

    hub.servers.between = purge
    assert hub.violations() == ()


def test_what_an_instance_waits_for_is_read_in_pages(hub: Checked) -> None:
    """[P6] One timer and one child of many are spoiled and found."""
    store = hub.store
    run = store.start("wide").run
    long = "a child whose id makes Redis keep this hash as a table "
    child = {"workflow": "ship", "queue": "q", "options": ChildOptions()}
    store.commit(
        store.turn("wide"),
        *(commands.StartTimer(id=id, delay=MINUTE) for id in range(1, 601)),
        *(commands.StartChild(id=id, instance=long + f"{id}", run=f"r{id}", **child) for id in range(601, 751)),  # type: ignore[arg-type]
    )
    carry_all(store.do, 1)
    assert hub.violations() == ()
    assert hub.told[-1] == 151
    store.redis.zrem(store.key("due"), f"timer 577 {run} wide")
    store.do(Purge(partition=0, instance=long + "700", force=True))
    store.redis.hset(store.key("children", "wide"), "r700", _link(store, long + "700", "r700"))
    assert {(one.word, one.instance) for one in hub.violations()} == {("due_lacks", "wide"), ("claim_child", "wide")}


def _link(store: Scripted, child: str, run: str) -> bytes:
    code = "return cmsgpack.pack({child = ARGV[1], run = ARGV[2], policy = 'cancel', to = '0'})"
    return cast("bytes", store.redis.eval(code, 0, child, run))


def test_the_history_of_an_earlier_run_is_looked_at_too(hub: Checked) -> None:
    """[P2] It has an end, and each event can be read."""
    store = hub.store
    first = store.start("i").run
    started = events.WorkflowStarted(workflow="checkout", instance="i", run="second", queue="q", continued_from=first)
    store.commit(store.turn(), close=Continue(started=started))
    assert hub.violations() == ()
    store.redis.rpop(store.key("history", first))
    [found] = hub.violations()
    assert (found.word, found.key) == ("history_order", f"history:{first}")


def test_answers_of_a_run_without_a_history_belong_to_it(hub: Checked) -> None:
    """[P10] A run that goes on for another has its answers before its first turn; those of no run are left over."""
    store = hub.store
    store.start("i")
    started = events.WorkflowStarted(workflow="checkout", instance="i", run="second", queue="q")
    answer = commands.AnswerUpdate(id=1, update="u", accepted=True, payload=b"1")
    store.commit(store.turn(), answer, close=Continue(started=started))
    assert hub.violations() == ()
    store.redis.hset(store.key("answers", "nobody"), "u", "1")
    store.redis.set(store.key("instance", "spoiled"), "no hash")
    store.redis.zadd(store.key("ids"), {"spoiled": 0})
    assert ("key_extra", "answers:nobody") in {(one.word, one.key) for one in hub.violations()}


def test_an_earlier_run_that_goes_while_it_is_read_is_no_violation(hub: Checked) -> None:
    """[P2] Its time to live ends between two pages."""
    store = hub.store
    first = store.start("i").run
    started = events.WorkflowStarted(workflow="checkout", instance="i", run="second", queue="q", continued_from=first)
    store.commit(store.turn(), close=Continue(started=started))
    looks = 0

    def expire(command: RedisCommand) -> None:
        nonlocal looks
        looks += looks_at(command, "look_history") and first.encode() in command
        if looks == 2:
            store.redis.delete(store.key("history", first))

    hub.servers.between = expire
    assert hub.violations() == ()
    assert looks == 2


def test_a_consumer_that_a_sweep_removes_meanwhile_is_no_violation(hub: Checked) -> None:
    """[P3] A blocked read outlived its worker: the next sweep mends that, so it is looked at again."""
    store = hub.store
    store.start("i")
    store.redis.xgroup_createconsumer(store.key("workflows", "q"), "rqflow", "ghost")
    looks = 0

    def sweep(command: RedisCommand) -> None:
        nonlocal looks
        looks += looks_at(command, "look_stream") and "workflows:q" in command
        if looks == 2:
            store.redis.xgroup_delconsumer(store.key("workflows", "q"), "rqflow", "ghost")

    hub.servers.between = sweep
    assert hub.violations() == ()


def test_a_stream_that_goes_with_its_worker_meanwhile_is_no_violation(hub: Checked) -> None:
    """[P6] A worker leaves between the look at the names of all keys and the one at its stream."""
    store = hub.store
    store.register("guest")
    looks = 0

    def leave(command: RedisCommand) -> None:
        nonlocal looks
        if looks_at(command, "look_stream") and "worker:guest" in command:
            looks += 1
            store.do(Unregister(partition=0, worker="guest"))

    hub.servers.between = leave
    assert hub.violations() == ()
    assert looks == 1


def test_what_messages_under_way_may_explain_is_left_open(hub: Checked) -> None:
    """[P6] A signal without an answer, while the outbox has something: it cannot be told, and is not called wrong."""
    store = hub.store
    run = store.start("i").run
    store.commit(store.turn(), commands.RecordSideEffect(id=1))
    store.redis.hset(store.key("outstanding", run), "s:9", "other")
    store.redis.xadd(store.key("outbox"), {"to": "0", "body": "x"})
    store.redis.hset(store.key("counters"), "self", 1)
    report = hub.report()
    assert (report.violations, report.undecided) == ((), 1)
    store.redis.xtrim(store.key("outbox"), maxlen=0)
    store.redis.hset(store.key("counters"), "self", 0)
    assert hub.words() == {"claim_signal"}


def test_keys_of_a_hub_with_a_similar_name_are_left_alone(hub: Checked) -> None:
    """A hub named `a.1` has keys that look like those of hub `a`."""
    name = hub.store.place.hub.name
    hub.store.redis.set(f"rqflow:{{{name}.0.1}}:strange", "1")
    hub.store.redis.set(f"rqflow:{{{name}.x}}:strange", "1")
    assert hub.violations() == ()


def test_a_hub_that_is_beyond_hope_fills_no_memory(hub: Checked) -> None:
    """[P10] The first thousand violations are told, the others counted."""
    keys = {f"{hub.store.key('meta').removesuffix('meta')}strange-{number}": "1" for number in range(MOST + 20)}
    hub.store.redis.mset(keys)
    report = hub.report()
    assert (len(report.violations), report.found) == (MOST, MOST + 20)


def test_a_server_that_refuses_to_list_its_keys_is_told(hub: Checked) -> None:
    """As any refusal of the server."""
    hub.servers.between = lambda command: ServerError("NOPERM no SCAN for you") if command[0] == "SCAN" else None
    with pytest.raises(BackendError, match="SCAN"):
        hub.report()


def test_a_missing_record_is_told(hub: Checked) -> None:
    """[P1] Without it a partition could not be found."""
    hub.store.redis.delete(hub.store.key("meta"))
    [found] = hub.violations()
    assert (found.word, found.wrong) == ("meta", "the partition's record of its hub is missing")


def test_every_kind_of_key_is_known() -> None:
    """Of all that keys.py names, only channels, and what is never there, are no keys."""
    assert set(TYPE_OF) == set(TEMPLATES) - {"changed", "schedules_changed", "nowhere"}
    assert kind_of(b"worker-info:w:1") == ("worker_info", b"w:1")
    assert kind_of(b"outbox") == ("outbox", b"")
    assert kind_of(b"outbox:x")[0] == ""


STARTED = events.WorkflowStarted(workflow="w", instance="i", run="r", queue="q")
SCHEDULED = events.ActivityScheduled(id=1, name="a")
DONE = events.WorkflowCompleted()


@pytest.mark.parametrize(
    ("what", "words"),
    [
        ([STARTED, SCHEDULED, events.ActivityCompleted(id=1)], []),
        ([SCHEDULED], ["history_order"]),
        ([STARTED, STARTED], ["history_order"]),
        ([STARTED, DONE], ["history_order"]),
        ([STARTED, DONE, SCHEDULED], ["history_order", "history_order"]),
        ([STARTED, SCHEDULED, SCHEDULED], ["history_twice"]),
        ([STARTED, events.TimerStarted(id=2, delay_ms=1), SCHEDULED], ["history_order"]),
        ([STARTED, events.TimerFired(id=1)], ["history_order"]),
        ([STARTED, SCHEDULED, events.TimerFired(id=1)], ["history_order"]),
        ([STARTED, SCHEDULED, events.ActivityCompleted(id=1), events.ActivityFailed(id=1)], ["history_twice"]),
        (
            [STARTED, events.ChildScheduled(id=1, workflow="w", instance="c"), events.ChildStarted(id=1, run="x"),
             events.ChildCompleted(id=1)],
            [],
        ),
    ],
)  # fmt: skip
def test_p2_what_no_run_can_have_is_told(what: list[events.Event], words: list[str]) -> None:
    """[P2, P5] One start, at most one end and last, records in order, each command answered once and after it."""
    history = History()
    for event in what:
        history.add(stored(1, "r", encode(event)))
    history.finish(ended=False)
    assert [word for word, _ in history.problems] == words


def test_p2_a_run_that_is_over_has_an_end() -> None:
    """[P2] And its length and bytes are counted."""
    history = History()
    history.add(stored(1, "r", encode(STARTED)))
    history.finish(ended=True)
    assert [word for word, _ in history.problems] == ["history_order"]
    assert (history.length, history.bytes) == (1, len(stored(1, "r", encode(STARTED))))


def test_p8_news_that_cannot_stand_where_they_are_are_told() -> None:
    """[P8] The start is first, and before the first turn only; what is no news is none; time goes on."""

    def words(*what: tuple[int, Any], fresh: bool = False, runs: int = 1) -> list[str]:
        news = [stored(at, "i", encode(event)) for at, event in what]
        return [word for word, _ in check_inbox(news, fresh=fresh, runs=runs)]

    signal = events.SignalReceived(name="s")
    assert words((1, STARTED), (2, signal), fresh=True) == []
    assert words((1, signal), fresh=True) == ["inbox_order"]
    assert words(fresh=True) == ["inbox_order"]
    assert words((1, STARTED)) == ["inbox_order"]
    assert words((1, SCHEDULED)) == ["inbox_order"]
    assert words((10**9, signal), (1, signal)) == ["inbox_order"]
    assert words((10**9, signal), (1, signal), runs=2) == []
    assert words((10**9, STARTED), (1, signal), fresh=True) == []
    taken_over_twice = (3 * 10**9, STARTED), (3 * 10**9, signal), (2 * 10**9, signal), (1, signal)
    assert words(*taken_over_twice, fresh=True, runs=3) == []
    assert words(*taken_over_twice, fresh=True, runs=2) == ["inbox_order"]
