"""JSON: the one home of orjson; plain values to bytes and back."""

from __future__ import annotations

from typing import Any

import orjson

from rqflow.errors import BadValue


def dump_json(value: Any) -> bytes:
    """Plain JSON values as bytes. Raises BadValue for anything else."""
    try:
        return orjson.dumps(value)
    except TypeError as error:
        raise BadValue(f"cannot be written as JSON: {error}") from error


def load_json(data: bytes | str) -> Any:
    """The value in JSON text. Raises BadValue with the place where it breaks."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise BadValue(f"not JSON: {error}") from error
