"""Reads: the translators of all calls that only look."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from rqflow.backend.calls.call import Call
from rqflow.backend.redis import listing, measuring, reading
from rqflow.backend.redis.commands import Translator

TRANSLATORS: Final[Mapping[type[Call[Any]], Translator]] = {
    **reading.TRANSLATORS,
    **listing.TRANSLATORS,
    **measuring.TRANSLATORS,
}
