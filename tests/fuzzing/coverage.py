"""Coverage: the targets under atheris, which looks for bytes that reach code that others did not; for long runs.

`pip install atheris; python -m tests.fuzzing.coverage event -max_total_time=300` (targets: event, rest, words, history)
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import atheris  # type: ignore

with atheris.instrument_imports(include=["rqflow"]):
    from tests.fuzzing.targets import SEEDS, TARGETS


def main() -> None:
    """The command."""
    name = sys.argv.pop(1)
    with tempfile.TemporaryDirectory() as folder:
        for number, seed in enumerate(SEEDS):
            (Path(folder) / str(number)).write_bytes(seed[:4_096])
        atheris.Setup([*sys.argv, "-timeout=10", folder], TARGETS[name])
        atheris.Fuzz()


if __name__ == "__main__":
    main()
