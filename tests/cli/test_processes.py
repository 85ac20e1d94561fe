"""Processes: dev, worker and Procfile as people run them, in shells and with signals."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest
import redis

from rqflow.backend.redis.embedded import EmbeddedServer
from tests.cli.shell import ROOT, RQFLOW, Shell, really, running, until

SHOP = """
import asyncio
from rqflow import activity, workflow

@activity
async def greet(name: str) -> str:
    return "hello " + name

@activity
async def slow(seconds: float) -> str:
    await asyncio.sleep(seconds)
    return "done"

@workflow
async def greeting(name: str) -> str:
    return await greet(name)

@workflow
async def nap(seconds: float) -> str:
    return await slow(seconds)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project of somebody else: one module in a folder."""
    (tmp_path / "greetings.py").write_text(SHOP)
    return tmp_path


def gone(pid: int) -> bool:
    """Whether a process has ended; one that nobody has waited for counts."""
    try:
        return "\nState:\tZ" in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return True


def test_the_whole_dev_session(tmp_path: Path) -> None:
    """Two shells in one folder, word for word as the README has it."""
    (tmp_path / "workers").symlink_to(ROOT / "workers")
    with running(tmp_path / "dev.log", *RQFLOW, "dev", "workers.orders", cwd=tmp_path) as dev:
        said = dev.await_saying("export RQFLOW_REDIS_URL=")
        assert "rqflow start checkout order:=" in said
        assert "rqflow signal checkout-1 approve by=text" in said

        def other(*words: str) -> str:
            ran = really(*words, cwd=tmp_path)
            assert ran.code == 0, ran
            return ran.out

        assert other("start", "checkout", 'order:={"id":"42","total":99.5}', "--id", "order-42") == "started order-42\n"
        assert "order-42" in other("list")
        until(lambda: json.loads(other("stats", "--json"))["schedulers"] == 1, 30, dev.said)
        until(lambda: "waiting for approval" in other("show", "order-42"), 30, dev.said)
        assert "ActivityCompleted" in other("history", "order-42")
        assert other("signal", "order-42", "approve", "by=ann") == "signaled order-42\n"
        assert json.loads(other("result", "order-42", "--timeout", "30s"))["approved_by"] == "ann"
        dev.interrupt()
        assert dev.end() == 0
    assert not (tmp_path / ".rqflow" / "dev.json").exists()
    assert "Traceback" not in dev.said()


def test_dev_keeps_its_data_and_follows_the_files(folder: Path) -> None:
    """An edited file is served, a broken one is told and mended; what was started stays over a restart of dev."""
    with running(folder / "dev.log", *RQFLOW, "dev", "greetings", cwd=folder) as dev:
        dev.await_saying("export RQFLOW_REDIS_URL=")
        assert really("start", "greeting", "name=ann", "--id", "one", "--wait", cwd=folder).out == '"hello ann"\n'
        (folder / "greetings.py").write_text(SHOP.replace("hello", "good day"))
        dev.await_saying("greetings.py changed")
        assert really("start", "greeting", "name=ann", "--id", "two", "--wait", cwd=folder).out == '"good day ann"\n'
        (folder / "greetings.py").write_text("nonsense(")
        dev.await_saying("module 'greetings' cannot be imported")
        dev.await_saying("starts again when a file changes")
        (folder / "greetings.py").write_text(SHOP.replace("hello", "welcome"))
        assert really("start", "greeting", "name=ann", "--id", "three", "--wait", cwd=folder).out == '"welcome ann"\n'
        refused = really("dev", "greetings", cwd=folder)
        assert refused.code == 2
        assert "another rqflow dev runs" in refused.err
        dev.interrupt()
        assert dev.end() == 0
    with running(folder / "dev2.log", *RQFLOW, "dev", "greetings", cwd=folder) as dev:
        dev.await_saying("export RQFLOW_REDIS_URL=")
        assert really("result", "one", cwd=folder).out == '"hello ann"\n'


def test_the_second_interrupt_of_dev_stops_at_once(folder: Path) -> None:
    """The first waits for the activity, the second does not."""
    with running(folder / "dev.log", *RQFLOW, "dev", "greetings", cwd=folder) as dev:
        dev.await_saying("export RQFLOW_REDIS_URL=")
        really("start", "nap", "seconds:=600", "--id", "long", cwd=folder).ok()
        until(lambda: "leased" in really("show", "long", cwd=folder).out, 30, dev.said)
        dev.interrupt()
        dev.await_saying("Ctrl-C again to stop at once")
        dev.interrupt()
        assert dev.end(15) == 1


def test_nothing_is_left_behind_when_dev_is_killed(folder: Path) -> None:
    """SIGKILL: the worker and the private Redis notice, and the address that was left is not believed."""
    with running(folder / "dev.log", *RQFLOW, "dev", "greetings", cwd=folder) as dev:
        dev.await_saying("export RQFLOW_REDIS_URL=")
        (worker,) = until(lambda: really("stats", "--json", cwd=folder).json["workers"], 30, dev.said)
        dev.process.kill()
        dev.process.wait()
        until(lambda: gone(worker["pid"]), 30, dev.said)
    assert (folder / ".rqflow" / "dev.json").exists()
    ran = really("list", cwd=folder)
    assert (ran.code, "No address was given" in ran.err) == (5, True)


def test_a_worker_drains_at_the_first_signal(folder: Path, shell: Shell) -> None:
    """[F18] A running activity is finished, its result kept; nothing new is taken; exit code 0."""
    with running(folder / "worker.log", *RQFLOW, "worker", "greetings", cwd=folder, **shell.environment) as worker:
        until(lambda: shell("stats", "--json").json["workers"], 30, worker.said)
        shell("start", "nap", "seconds:=1", "--id", "short").ok()
        until(lambda: shell("show", "short", "--json").json["pending_activities"], 20, worker.said)
        worker.process.send_signal(signal.SIGTERM)
        worker.await_saying("what runs is finished first")
        shell("start", "greeting", "name=ann", "--id", "after").ok()
        assert worker.end() == 0
    assert shell("show", "after", "--json").json["status"] == "running"
    assert shell("stats", "--json").json["workers"] == []
    with running(folder / "next.log", *RQFLOW, "worker", "greetings", cwd=folder, **shell.environment):
        assert shell("result", "short", "--timeout", "20s").json == "done"
        assert shell("result", "after", "--timeout", "20s").json == "hello ann"


def test_a_burst_leaves_when_all_is_done(folder: Path, shell: Shell) -> None:
    """--burst, with several processes: everything that waited is done, and they end by themselves."""
    for number in range(20):
        shell("start", "greeting", f"name={number}", "--id", f"burst-{number}").ok()
    command = (*RQFLOW, "worker", "greetings", "--burst", "--processes", "2")
    with running(folder / "worker.log", *command, cwd=folder, **shell.environment) as worker:
        assert worker.end(40) == 0, worker.said()
        assert worker.said().count("serves hub") >= 2
    assert shell("stats", "--json").json["statuses"]["completed"] == 20


def test_queues_are_served_as_they_are_named(folder: Path, shell: Shell) -> None:
    """A worker of one queue leaves the others' work alone."""
    shell("start", "greeting", "name=a", "--id", "here", "-q", "urgent").ok()
    shell("start", "greeting", "name=a", "--id", "there").ok()
    command = (*RQFLOW, "worker", "greetings", "-q", "urgent", "--burst", "--name", "one")
    with running(folder / "worker.log", *command, cwd=folder, **shell.environment) as worker:
        assert worker.end(40) == 0
    assert shell("show", "here", "--json").json["status"] == "completed"
    assert shell("show", "there", "--json").json["history_length"] == 0


def test_names_that_no_worker_knows_wait_and_are_seen(folder: Path, shell: Shell) -> None:
    """They eat no task: stats name them, and a worker that knows them goes on."""
    shell("start", "of_tomorrow", "--id", "unknown").ok()
    with running(folder / "worker.log", *RQFLOW, "worker", "greetings", cwd=folder, **shell.environment) as worker:
        shell("start", "greeting", "name=ann", "--id", "known").ok()
        assert shell("result", "known", "--timeout", "20s").json == "hello ann"
        until(lambda: "of_tomorrow" in json.dumps(shell("stats", "--json").json["queues"]), 20, worker.said)
    assert shell("show", "unknown", "--json").json["status"] == "running"


def test_honcho_runs_the_procfile(tmp_path: Path) -> None:
    """Workflow and activity workers apart, against REDIS_URL."""
    honcho = Path(sys.executable).with_name("honcho")
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    with EmbeddedServer() as server:
        shell = Shell(server.url)
        command = (str(honcho), "start")
        with running(tmp_path / "honcho.log", *command, REDIS_URL=server.url, PATH=path) as started:
            until(lambda: len(shell("stats", "--json").json["workers"]) == 3, 40, started.said)
            takes = {
                (bool(worker["workflow_queues"]), bool(worker["activity_queues"]))
                for worker in shell("stats", "--json").json["workers"]
            }
            assert takes == {(True, False), (False, True)}
            shell("start", "checkout", 'order:={"id":"42","total":99.5}', "--id", "order-42").ok()
            shell("signal", "order-42", "approve", "by=ann").ok()
            assert shell("result", "order-42", "--timeout", "30s").json["approved_by"] == "ann"
            started.interrupt()
            started.end(40)
        assert shell("stats", "--json").json["workers"] == []


def test_a_wait_outlasts_a_restart_of_redis(folder: Path, redis_server: EmbeddedServer) -> None:
    """Redis is killed under a waiting command and a worker; it comes back with its data, and the result arrives."""
    shell = Shell(redis_server.url)
    shell("start", "nap", "seconds:=1", "--id", "one").ok()
    waiting = (*RQFLOW, "result", "one", "--timeout", "40s")
    command = (*RQFLOW, "worker", "greetings", "--lease", "2s")
    with (
        running(folder / "result.log", *waiting, cwd=folder, **shell.environment) as result,
        running(folder / "worker.log", *command, cwd=folder, **shell.environment) as worker,
    ):
        until(lambda: shell("show", "one", "--json").json["pending_activities"], 30, worker.said)
        redis_server.restart()
        assert result.end(40) == 0, result.said()
        assert result.said() == '"done"\n'


def test_a_wait_ends_when_redis_stays_away(folder: Path, redis_server: EmbeddedServer) -> None:
    """Tried again for a while; then exit code 5 and what was tried."""
    shell = Shell(redis_server.url)
    shell("start", "nap", "seconds:=1", "--id", "one").ok()
    with running(folder / "result.log", *RQFLOW, "result", "one", cwd=folder, **shell.environment) as result:
        until(lambda: result.process.poll() is None and _listened(redis_server.url), 20, result.said)
        redis_server.kill()
        assert result.end(40) == 5, result.said()
    assert "The address is from RQFLOW_REDIS_URL" in result.said()
    assert "Traceback" not in result.said()


def test_an_interrupted_wait_is_quiet(folder: Path, shell: Shell, redis_url: str) -> None:
    """Ctrl-C: exit code 130 and not a word."""
    shell("start", "nap", "seconds:=1", "--id", "one").ok()
    before = _listened(redis_url)
    with running(folder / "result.log", *RQFLOW, "result", "one", cwd=folder, **shell.environment) as result:
        until(lambda: _listened(redis_url) > before, 20, result.said)
        result.interrupt()
        assert result.end() == 130
    assert result.said().strip() == ""


def _listened(url: str) -> int:
    """How many connections listen to something."""
    with redis.Redis.from_url(url) as client:
        return sum(1 for one in client.client_list() if int(one["sub"]) or int(one["psub"]))
