"""Writes: the translators of all calls that change something."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rqflow.backend.calls.call import Call
from rqflow.backend.redis import committing, finishing, leasing, relaying, scheduling, steering, taking
from rqflow.backend.redis.commands import Translator

TRANSLATORS: Final[Mapping[type[Call[Any]], Translator]] = {
    **steering.TRANSLATORS,
    **taking.TRANSLATORS,
    **committing.TRANSLATORS,
    **finishing.TRANSLATORS,
    **leasing.TRANSLATORS,
    **relaying.TRANSLATORS,
    **scheduling.TRANSLATORS,
}
