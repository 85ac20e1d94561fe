"""Clock: be a worker or a scheduler whose wall clock is hours off; nothing that it does may change by that."""

from __future__ import annotations

import datetime as datetimes
import importlib
import sys
import time
from typing import Any

PROGRAM = "tests.chaos.clock"


class _Kind(type):
    """Moments that were made before the clock was moved are of the same kind."""

    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, datetimes.datetime.__mro__[1])


def move(seconds: float) -> None:
    """From now on `time.time` and `datetime.now` are so far off; the monotonic clock goes on as it was."""
    right, right_ns, moment = time.time, time.time_ns, datetimes.datetime

    class Moved(moment, metaclass=_Kind):  # type: ignore[valid-type, misc]
        """A datetime that believes the clock of its process."""

        @classmethod
        def now(cls, tz: datetimes.tzinfo | None = None) -> Any:
            return moment.fromtimestamp(time.time(), tz)

        @classmethod
        def utcnow(cls) -> Any:
            return moment.fromtimestamp(time.time(), datetimes.UTC).replace(tzinfo=None)

    time.time = lambda: right() + seconds
    time.time_ns = lambda: right_ns() + int(seconds * 1e9)
    datetimes.datetime = Moved  # type: ignore[misc]


def main() -> int:
    """`seconds module words`: as that module with these words."""
    seconds, module = float(sys.argv.pop(1)), sys.argv.pop(1)
    if seconds:
        move(seconds)
    # Imported now, so that nothing of rqflow has seen the right time.
    code: int = importlib.import_module(module).main()
    return code


if __name__ == "__main__":
    sys.exit(main())
