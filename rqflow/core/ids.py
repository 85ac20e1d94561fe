"""Ids: the names and seeds that a run derives from its own run id, the same at every replay."""

from __future__ import annotations

import zlib
from hashlib import sha256
from typing import Final

MAX_READABLE_CHILD: Final = 400
"""Bytes of a child id that grows from its parent's; a longer one becomes a digest, so that depth has no bound."""


def _digest(*parts: object) -> str:
    # The unit separator keeps ("a1", "b") and ("a", "1b") apart; lone surrogates cannot break a run here.
    return sha256("\x1f".join(map(str, parts)).encode("utf-8", "surrogatepass")).hexdigest()


def child_id(instance: str, run: str, command: int) -> str:
    """The id of a child that was given none: `<parent>/<command>-<digest of the run>`.

    The run is part of it because command numbers begin anew after continue-as-new, when children may still be open.
    """
    readable = f"{instance}/{command}-{_digest(run)[:8]}"
    if len(readable.encode("utf-8", "surrogatepass")) <= MAX_READABLE_CHILD:
        return readable
    return f"child/{_digest('child', run, command)[:32]}"


def child_run(run: str, command: int) -> str:
    """The run id of the child that this command starts: a repeated start is the same start."""
    return _digest("run", run, command)[:32]


def next_run(run: str) -> str:
    """The run id after continue-as-new."""
    return _digest("next", run)[:32]


def seed(run: str) -> int:
    """The seed of the run's random generator; SHA-256 is the same in every Python version."""
    return int(_digest("seed", run), 16)


def place_seed(run: str) -> int:
    """Where the hashes of this run's futures begin; cheap, because every run needs it."""
    return zlib.crc32(run.encode("utf-8", "surrogatepass")) * 0x2545F4914F6CDD1D
