"""Run a worker: what the command line calls: modules in, one process or many, an exit code out."""

from __future__ import annotations

from collections.abc import Sequence

from rqflow.worker.options import WorkerOptions


def run_worker(*, url: str, hub: str, modules: Sequence[str], options: WorkerOptions, processes: int = 1) -> int:
    """Serve a hub until told to stop: 0 after a warm stop or a finished burst, 1 after a cold stop.

    Raises BadInput (a module does not import, an option is absurd), HubNotFound, BackendUnavailable and
    BackendRefused at the start; once it serves, it outlasts Redis' absences.
    """
    raise NotImplementedError
