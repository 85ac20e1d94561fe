"""JSON: the one home of orjson; plain values to bytes and back, integers of any size kept exact."""

from __future__ import annotations

import json
import re
from typing import Any, Final, NoReturn

import orjson

from rqflow.errors import BadValue

MAX_DEPTH: Final = 200
"""Lists and objects may lie in each other this deep: code that walks a value then never runs out of stack."""

_LONG_NUMBER: Final = re.compile(rb"[0-9]{19}")
"""orjson reads integers of more than 64 bits as floats: a run of so many digits is read by the slower, exact reader."""


def dump_json(value: Any) -> bytes:
    """Plain JSON values as bytes. Raises BadValue for anything else."""
    try:
        return orjson.dumps(value)
    except TypeError as error:
        if "64-bit" in str(error):
            return _dump_exact(value)
        if "Recursion" in str(error):
            raise BadValue(f"nested deeper than {MAX_DEPTH} levels") from error
        raise BadValue(f"cannot be written as JSON: {error}") from error


def load_json(data: bytes | str) -> Any:
    """The value in JSON text. Raises BadValue with the place where it breaks."""
    if isinstance(data, str):
        try:
            data = data.encode()
        except UnicodeEncodeError as error:
            raise BadValue(f"not JSON: {error}") from error
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise BadValue(f"not JSON: {error}") from error
    if len(data) >= 19 and _LONG_NUMBER.search(data):
        value = _load_exact(data)
    if len(data) > MAX_DEPTH and data.count(b"[") + data.count(b"{") > MAX_DEPTH and not _fits(value, MAX_DEPTH):
        raise BadValue(f"nested deeper than {MAX_DEPTH} levels")
    return value


def load_header(data: bytes) -> Any:
    """The value in JSON text whose reader looks at the type of each part. Raises BadValue.

    Such a reader meets no integer of more than 64 bits (it comes as a float) and no depth that it did not ask for."""
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise BadValue(f"not JSON: {error}") from error


def _dump_exact(value: Any) -> bytes:
    """As dump_json, by the standard library: it writes integers of any size."""
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except RecursionError as error:
        raise BadValue(f"nested deeper than {MAX_DEPTH} levels") from error
    except (TypeError, ValueError) as error:
        raise BadValue(f"cannot be written as JSON: {error}") from error


def _load_exact(data: bytes) -> Any:
    """As load_json, by the standard library. orjson has read the text before, so it is JSON and not too deep for it."""
    try:
        return json.loads(data, parse_constant=_refuse)
    except (ValueError, RecursionError) as error:
        raise BadValue(f"not JSON that can be read exactly: {error}") from error


def _refuse(constant: str) -> NoReturn:
    raise ValueError(f"{constant} is no JSON")


def _fits(value: Any, depth: int) -> bool:
    """Whether nothing lies deeper than `depth` levels."""
    if isinstance(value, dict):
        value = value.values()
    elif not isinstance(value, list):
        return True
    return depth > 0 and all(_fits(item, depth - 1) for item in value if isinstance(item, (dict, list)))
