"""Side by side: every call, in any order, in memory and in Redis: both answer alike and know the same."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import redis
from hypothesis import HealthCheck, Phase, settings
from hypothesis.stateful import rule, run_state_machine_as_test

from rqflow.backend.redis.translate import TRANSLATORS
from tests.backend.redis_write.client_rules import ClientRules
from tests.backend.redis_write.clocked import Fault
from tests.backend.redis_write.machine import deeds
from tests.backend.redis_write.schedule_rules import ScheduleRules
from tests.backend.redis_write.worker_rules import WorkerRules

STEPS = 50


class Machine(WorkerRules, ClientRules, ScheduleRules):
    """All that may happen."""

    step = rule(deed=deeds(WorkerRules, ClientRules, ScheduleRules))(WorkerRules.do)


def machine(server: redis.Redis, partitions: int, fault: Fault | None = None) -> type[Machine]:
    """One that runs on a server."""
    return type("Machine", (Machine,), {"server": server, "partitions": partitions, "fault": fault, "sent": {}})


def run(kind: type[Machine], examples: int, **more: Any) -> None:
    """So many lives of 50 steps."""
    chosen = settings(
        max_examples=examples, stateful_step_count=STEPS, deadline=None, database=None, print_blob=True,
        suppress_health_check=list(HealthCheck), **more,
    )  # fmt: skip
    run_state_machine_as_test(kind, settings=chosen)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("partitions", [1, 4])
def test_p6_random_lives_are_the_same_in_memory_and_in_redis(plain_server: redis.Redis, partitions: int) -> None:
    """[P2, P3, P6] Clients, workers, schedulers, crashes and time, in any order, with stale tokens and repeats:
    both stores answer alike and know the same, and the checker finds nothing."""
    kind = machine(plain_server, partitions)
    run(kind, 10, derandomize=True)
    assert kind.steps > 100


def test_a_fault_that_is_planted_is_found(plain_server: redis.Redis) -> None:
    """[P6] After a turn, news that came meanwhile get no task: some life shows it."""

    def fault(name: str, source: str) -> str:
        return source.replace("tasks.renew(instance, row)\nif close", "if close") if name == "commit" else source

    kind = machine(plain_server, 1, fault)
    with pytest.raises(AssertionError, match=r"more=True|task_none|'task'"):
        run(kind, 60, derandomize=True, phases=[Phase.generate], report_multiple_bugs=False)


def test_every_call_may_happen() -> None:
    """A call that nobody makes here would be compared by nobody."""
    files = ("client_rules", "worker_rules", "schedule_rules", "twins", "scripted")
    sources = "".join((Path(__file__).parent / f"{name}.py").read_text() for name in files)
    made = re.sub(r"(?m)^from[^(\n]*\([^)]*\)|^from.*$", "", sources)
    for call in TRANSLATORS:
        assert re.search(rf"\b{call.__name__}[(,]", made), f"no deed of the machine makes a {call.__name__}"
