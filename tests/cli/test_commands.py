"""Commands: the whole life of instances through the command line, with a worker on a real Redis."""

from __future__ import annotations

import json
from contextlib import closing
from datetime import datetime
from typing import Any

import pytest
import redis

from rqflow.backend.protocol import partition_of
from rqflow.backend.redis.keys import key
from tests.cli.shell import Ran, Shell, until

ORDER = 'order:={"id":"42","total":99.5}'


def started(shop: Shell, id: str, order: str = ORDER, *more: str) -> str:
    """An order that waits for its approval."""
    shop("start", "checkout", order, "--id", id, *more).ok()
    until(lambda: shop("show", id, "--json").json["custom_status"], 20, lambda: shop("history", id))
    return id


def status_of(shop: Shell, id: str) -> str:
    status: str = shop("show", id, "--json").json["status"]
    return status


def events_of(shop: Shell, id: str) -> list[dict[str, Any]]:
    events: list[dict[str, Any]] = shop("history", id, "--json").ok().json
    return events


def activities_of(shop: Shell, id: str) -> list[str]:
    return [event["fields"]["name"] for event in events_of(shop, id) if event["type"] == "ActivityScheduled"]


def test_an_order_is_charged_approved_and_shipped(shop: Shell) -> None:
    """Start, look, ask, change, signal, wait: what a shop does in a day."""
    id = started(shop, "order 42 · 注文")
    shown = shop("show", id).ok().out
    assert "waiting for approval" in shown
    assert shop("query", id, "contents").ok().json == ["book"]
    assert shop("query", id, "stage", "--json").json == {"id": id, "query": "stage", "answer": "waiting for approval"}
    assert shop("update", id, "change_address", "address=2 Side Street").ok().json == "1 Main Street"
    assert shop("signal", id, "approve", "by=ann").ok().out == f"signaled {id}\n"
    result = shop("result", id, "--timeout", "20s").ok().json
    assert (result["order"], result["approved_by"]) == ("42", "ann")
    assert activities_of(shop, id) == ["charge", "reserve", "ship", "send_mail"]
    assert status_of(shop, id) == "completed"
    assert shop("result", id, "--json").json == {"id": id, "status": "completed", "result": result, "failure": None}
    table = shop("history", id).ok().out
    assert "SignalReceived" in table
    assert "WorkflowCompleted" in table
    assert id in shop("list", "--status", "completed").out


def test_a_refused_update_changes_nothing(shop: Shell) -> None:
    """The validator's reason is the message; exit code 1."""
    id = started(shop, "refused-update")
    ran = shop("update", id, "change_address", "address= ")
    assert ran.code == 1
    assert "an address is needed" in ran.err
    assert shop("update", id, "change_address", "address=x", "--json").ok().json["answer"] == "1 Main Street"


def test_what_was_done_is_taken_back_when_a_later_step_fails(shop: Shell) -> None:
    """Nobody ships to nowhere: the money goes back, the book to its shelf, the instance fails with the reason."""
    id = started(shop, "undeliverable", 'order:={"id":"1","total":5,"address":"nowhere","cool_off":0.01}')
    shop("signal", id, "approve", "by=ann").ok()
    ran = shop("result", id, "--timeout", "20s")
    assert ran.code == 1
    assert "Undeliverable" in ran.err
    assert activities_of(shop, id) == ["charge", "reserve", "ship", "release", "refund"]
    told = shop("result", id, "--json")
    assert told.code == 1
    assert told.json["status"] == "failed"
    assert "Undeliverable" in json.dumps(told.json["failure"])
    assert "Undeliverable" in shop("show", id).out


def test_only_what_was_done_is_taken_back(shop: Shell) -> None:
    """Sold out: charged and refunded, nothing was put aside."""
    shop("start", "checkout", 'order:={"id":"1","total":5,"items":["sold out: lamp"]}', "--id", "sold-out").ok()
    assert shop("result", "sold-out", "--timeout", "20s").code == 1
    assert activities_of(shop, "sold-out") == ["charge", "reserve", "refund"]


def test_nobody_approves_in_time(shop: Shell) -> None:
    """The deadline is durable, and takes back as well."""
    shop("start", "checkout", 'order:={"id":"1","total":5,"approve_within":0.2}', "--id", "too-late").ok()
    ran = shop("result", "too-late", "--timeout", "20s")
    assert ran.code == 1
    assert "TimeoutError" in ran.err
    assert activities_of(shop, "too-late")[2:] == ["release", "refund"]


def test_a_canceled_order_is_taken_back(shop: Shell) -> None:
    """cancel asks the code, which cleans up."""
    id = started(shop, "canceled")
    assert shop("cancel", id, "--reason", "changed my mind").ok().out == f"asked to cancel {id}\n"
    assert shop("result", id, "--timeout", "20s").code == 1
    assert status_of(shop, id) == "canceled"
    assert activities_of(shop, id)[2:] == ["release", "refund"]


def test_a_terminated_order_is_not_asked(shop: Shell) -> None:
    """terminate ends it with a reason; a second time is told as such."""
    id = started(shop, "terminated")
    assert shop("terminate", id, "--reason", "fraud").ok().out == f"terminated {id}\n"
    assert shop("terminate", id).ok().out == f"had ended already {id}\n"
    assert shop("show", id, "--json").json["reason"] == "fraud"
    assert shop("result", id).code == 1


def test_a_suspended_order_keeps_what_arrives(shop: Shell) -> None:
    """[B6] Suspended, signaled, resumed: the signal was kept."""
    id = started(shop, "suspended")
    assert shop("suspend", id, "--reason", "provider is down").ok().out == f"suspended {id}\n"
    assert shop("suspend", id, "--json").ok().json == [{"id": id, "done": False, "error": None}]
    shop("signal", id, "approve", "by=ann").ok()
    shown = shop("show", id, "--json").json
    assert (shown["status"], shown["reason"], shown["inbox_length"]) == ("suspended", "provider is down", 1)
    assert shop("resume", id).ok().out == f"resumed {id}\n"
    assert shop("result", id, "--timeout", "20s").ok().json["approved_by"] == "ann"


def test_ended_orders_are_purged_and_open_ones_are_not(shop: Shell) -> None:
    """Several ids: each is told, the first refusal gives the exit code."""
    open_one = started(shop, "purge-open")
    ended = started(shop, "purge-ended")
    shop("terminate", ended).ok()
    ran = shop("purge", ended, open_one, "absent", "--json")
    assert ran.code == 4
    assert [(row["id"], row["done"]) for row in ran.json] == [(ended, True), (open_one, False), ("absent", False)]
    assert shop("show", ended).code == 3
    assert shop("purge", open_one, "--force").ok().out == f"purged {open_one}\n"
    assert shop("show", open_one).code == 3


def test_instances_are_listed_by_what_they_are(shop: Shell) -> None:
    """Attributes, prefix, status, times; pages that go on where the last one ended."""
    for number in range(5):
        shop("start", "later", "--id", f"listed-{number}", "--delay", "1h", "--attribute", f"number:={number}").ok()
    every = shop("list", "--id-prefix", "listed-", "--json").ok().json
    assert [row["id"] for row in every["instances"]] == [f"listed-{number}" for number in (4, 3, 2, 1, 0)]
    assert every["cursor"] is None
    assert all(row["status"] == "pending" for row in every["instances"])
    first = shop("list", "--id-prefix", "listed-", "--limit", "3", "--json").json
    rest = shop("list", "--id-prefix", "listed-", "--limit", "3", "--cursor", first["cursor"], "--json").json
    assert [row["id"] for row in first["instances"] + rest["instances"]] == [row["id"] for row in every["instances"]]
    assert [row["id"] for row in shop("list", "--attribute", "number:=3", "--json").json["instances"]] == ["listed-3"]
    assert shop("list", "--workflow", "later", "--created-before", "1h", "--json").json["instances"] == []
    assert len(shop("list", "--id-prefix", "listed-", "--created-after", "1h", "--json").json["instances"]) == 5
    plain = shop("list", "--workflow", "later", "--limit", "2").ok()
    assert plain.out.splitlines()[0].split() == ["ID", "WORKFLOW", "STATUS", "AGE", "TOOK", "QUEUE", "DETAIL"]
    assert "--cursor" in plain.err


def test_the_same_start_twice_is_one_start(shop: Shell) -> None:
    """With a request id; without one the id is taken; use_existing finds it."""
    one = shop("start", "later", "--id", "twice", "--delay", "1h", "--request-id", "r1", "--json").ok().json
    assert shop("start", "later", "--id", "twice", "--delay", "1h", "--request-id", "r1", "--json").ok().json == one
    assert shop("start", "later", "--id", "twice").code == 4
    found = shop("start", "later", "--id", "twice", "--on-conflict", "use_existing", "--json").ok().json
    assert (found["run"], found["created"]) == (one["run"], False)


def test_waiting_at_the_start(shop: Shell) -> None:
    """`start --wait` prints the result alone on standard output; the wait may end first."""
    ran = shop("start", "checkout", 'order:={"id":"1","total":-1}', "--id", "waited", "--wait")
    assert (ran.code, ran.out) == (1, "")
    assert "started waited" in ran.err
    late = shop("start", "checkout", ORDER, "--id", "waited-2", "--wait-timeout", "0.1s")
    assert late.code == 6
    assert "it goes on" in late.err


def test_watching_ends_with_the_instance(shop: Shell) -> None:
    """[B10] One document a line, the last one closed; the exit code tells how it ended."""
    id = started(shop, "watched")
    shop("signal", id, "approve", "by=ann").ok()
    ran = shop("watch", id, "--json", "--timeout", "20s").ok()
    rows = [json.loads(line) for line in ran.out.splitlines()]
    assert rows[-1]["status"] == "completed"
    assert "completed" in shop("watch", id).ok().out
    assert shop("watch", started(shop, "watched-2"), "--timeout", "0.1s").code == 6


def test_values_are_checked_where_the_module_is_known(shop: Shell) -> None:
    """With -m a wrong argument is refused before anything is sent, by workflow, parameter, expected and got."""
    ran = shop("start", "checkout", 'order:={"id":"42"}', "--id", "typed", "-m", "workers.orders")
    assert ran.code == 2
    assert "checkout" in ran.err
    assert "total" in ran.err
    assert shop("show", "typed").code == 3
    whole = '{"id": "7", "total": 1.5}'
    assert shop("start", "checkout", f"order={whole}", "--id", "typed", "-m", "workers.orders").code == 0
    assert shop("start", "nothing", "-m", "workers.orders").code == 3


def test_statistics_know_queues_and_workers(shop: Shell) -> None:
    """[A6, F6] For people and for scripts."""
    started(shop, "counted")
    numbers = shop("stats", "--json").ok().json
    assert numbers["statuses"]["running"] >= 1
    assert [queue["name"] for queue in numbers["queues"]] == ["default"]
    (worker,) = numbers["workers"]
    assert "checkout" in worker["workflows"]
    assert 0 < worker["lease_seconds"] <= 10
    assert "default" in shop("stats").ok().out


def _ran_all(shop: Shell) -> list[Ran]:
    id = started(shop, "json")
    shop("start", "later", "--id", "json-2", "--delay", "1h").ok()
    return [
        shop("start", "later", "--id", "json-3", "--delay", "1h", "--json"),
        shop("list", "--json"),
        shop("show", id, "--json"),
        shop("history", id, "--json"),
        shop("query", id, "contents", "--json"),
        shop("signal", id, "note", "hello", "--json"),
        shop("suspend", "json-2", "--json"),
        shop("resume", "json-2", "--json"),
        shop("cancel", "json-2", "--json"),
        shop("terminate", "json-2", "json-3", "--json"),
        shop("purge", "json-2", "--json"),
        shop("stats", "--json"),
        shop("hub", "list", "--json"),
    ]


def test_json_is_one_document_with_iso_times(shop: Shell) -> None:
    """Whatever the command: it parses, and times carry their zone."""
    for ran in _ran_all(shop):
        assert ran.code == 0, ran
        assert ran.err == ""
        assert json.loads(ran.out) is not None
    row = shop("show", "json", "--json").json
    assert datetime.fromisoformat(row["created_at"]).utcoffset() is not None
    assert {"id", "run", "workflow", "status", "pending_activities", "timers", "children", "reason"} <= set(row)


@pytest.mark.parametrize("id", ["\x1b[31mred", "a\u202eb"])
def test_an_id_cannot_color_the_screen(shop: Shell, id: str) -> None:
    """Such an id is refused or shown escaped, never raw."""
    ran = shop("start", "later", "--id", id, "--delay", "1h")
    shown = ran.out + ran.err + shop("list").out
    assert "\x1b" not in shown
    assert "\u202e" not in shown


def test_hubs_are_created_shown_and_deleted(shop: Shell) -> None:
    """[B1] Create is idempotent, other settings are a conflict, delete leaves nothing to show."""
    name = f"{shop.environment['RQFLOW_HUB']}-extra"
    made = shop("hub", "create", name, "--partitions", "2", "--retention", "3d", "--json").ok().json
    assert (made["partitions"], made["retention_seconds"]) == (2, 259_200)
    assert shop("hub", "create", name, "--partitions", "2", "--retention", "3d", "--json").ok().json == made
    assert shop("hub", "create", name, "--partitions", "3").code == 4
    assert name in shop("hub", "list").out
    assert "partitions" in shop("hub", "show", name).out
    assert shop("hub", "delete", name, stdin="n\n").code == 1
    assert shop("hub", "delete", name, "--yes").code == 0
    assert shop("hub", "show", name).code == 3
    assert shop("hub", "delete", name, "--yes").code == 3


def test_a_hub_is_verified(shell: Shell) -> None:
    """A sound hub is told so; one with a spoiled key is told what is wrong, and scripts get it as JSON and exit 1."""
    name, url = shell.environment["RQFLOW_HUB"], shell.environment["RQFLOW_REDIS_URL"]
    shell("start", "checkout", ORDER, "--id", "o-1").ok()
    assert f"hub {name} is as it should be: 1 instances" in shell("hub", "verify").ok().out
    with closing(redis.Redis.from_url(url)) as server:
        server.rpush(key(name, 0, "inbox", "nobody\x1b[31m"), "1")
        server.hset(key(name, partition_of("o-1", 2), "instance", "o-1"), "task", "")
    told = shell("hub", "verify", name)
    assert told.code == 1
    assert "P6 task_none of o-1: 1 news wait and there is no task" in told.out
    assert "\x1b" not in told.out
    found = shell("hub", "verify", name, "--json")
    assert found.code == 1
    assert {one["word"] for one in found.json["violations"]} == {"task_none", "task_extra", "key_extra"}
    assert all(one["remedy"] for one in found.json["violations"])
    assert shell("hub", "verify", "nowhere").code == 3
