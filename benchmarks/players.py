"""Players: who takes part in which works, and what must be said beside their figures."""

from __future__ import annotations

from dataclasses import dataclass

JOB = "plain jobs, not durable: no history, no replay"


@dataclass(frozen=True, kw_only=True)
class Contestant:
    """A library, or one of its ways."""

    title: str
    key: str
    """Names the module under benchmarks/, and after a dash its way."""
    works: tuple[str, ...]
    note: str
    fraction: float = 1.0
    """Of the count of W1 to W3, which it would take too long to do as a whole."""
    in_process: bool = False
    """Whether the client itself does the work, without Redis: its CPU is all there is."""

    @property
    def module(self) -> str:
        """Its module."""
        return f"benchmarks.{'ours.acts' if self.key == OURS else 'peers.' + self.key.split('-')[0]}"

    @property
    def variant(self) -> str:
        """Its way."""
        return self.key.partition("-")[2]

    def share(self, work: str, count: int) -> int:
        """What it does of a count."""
        return max(1, round(count * self.fraction)) if work in {"W1", "W2", "W3"} else count


OURS = "rqflow"
ALL = "*"
"""Every work."""
STEPS = ("W2", "W3", "W4", "W5", "W6")

CONTESTANTS: tuple[Contestant, ...] = (
    Contestant(title="rqflow", key=OURS, works=(ALL,), note="durable workflows on Redis"),
    Contestant(
        title="DBOS on SQLite",
        key="dbos-sqlite",
        works=STEPS,
        note="durable in a SQLite file; steps run in the client's process, by call",
        fraction=0.1,
        in_process=True,
    ),
    Contestant(
        title="DBOS on PostgreSQL",
        key="dbos-postgres",
        works=STEPS,
        note="durable in PostgreSQL; steps run in the client's process, by call; its server's CPU is not in the table",
        fraction=0.2,
        in_process=True,
    ),
    Contestant(
        title="durabletask",
        key="durabletask",
        works=STEPS,
        note="NOT durable here: its in-memory server, in the client's process as the worker is",
        fraction=0.1,
        in_process=True,
    ),
    Contestant(
        title="redflow",
        key="redflow",
        works=STEPS,
        note="steps are remembered in Redis by name, in the order of code; no replay, no activities on queues",
        fraction=0.2,
    ),
    Contestant(
        title="Celery, chains",
        key="celery",
        works=STEPS,
        note="NOT durable: messages that carry what is to follow; prefork, a process for each core, results kept",
        fraction=0.4,
    ),
    Contestant(title="RQ, Worker", key="rq-forking", works=("W1",), note=f"{JOB}; a fork for each job", fraction=0.03),
    Contestant(title="RQ, SimpleWorker", key="rq-simple", works=("W1",), note=JOB, fraction=0.1),
    Contestant(title="Celery", key="celery", works=("W1",), note=f"{JOB}; prefork, a process for each core"),
    Contestant(title="Dramatiq", key="dramatiq", works=("W1",), note=f"{JOB}; 8 threads, no results"),
    Contestant(title="arq", key="arq", works=("W1",), note=f"{JOB}; 100 at a time, polls"),
    Contestant(title="saq", key="saq", works=("W1",), note=f"{JOB}; 100 at a time"),
    Contestant(title="streaq", key="streaq", works=("W1",), note=f"{JOB}; 100 at a time, enqueued in bulk"),
    Contestant(
        title="taskiq", key="taskiq", works=("W1",), note=f"{JOB}; its stream broker, 100 at a time, no results"
    ),
    Contestant(title="pydocket", key="docket", works=("W1",), note=f"{JOB}; 100 at a time", fraction=0.3),
    Contestant(title="huey", key="huey", works=("W1",), note=f"{JOB}; one thread, no results"),
)


def taking_part(work: str, *, peers: bool) -> tuple[Contestant, ...]:
    """Who does a work: ours first."""
    return tuple(
        each for each in CONTESTANTS if (work in each.works or ALL in each.works) and (peers or each.key == OURS)
    )
