"""Scalars: the plans of single values, from None and int to datetime, Decimal and Path."""

from __future__ import annotations

import base64
import binascii
import math
import re
from collections.abc import Callable
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from pathlib import Path, PosixPath, PurePath, PurePosixPath, PureWindowsPath, WindowsPath
from typing import Any, Final
from uuid import UUID

from rqflow.converters.plan import BOOLEAN, INTEGER, NULL, NUMBER, STRING, Misfit, Plan, misfit, plain_misfit


def _write_none(value: Any) -> None:
    if value is not None:
        raise misfit("None", value)


def _read_none(value: Any) -> None:
    if value is not None:
        raise plain_misfit("None", value)


def _write_bool(value: Any) -> bool:
    if type(value) is not bool:
        raise misfit("bool", value)
    return value


def _read_bool(value: Any) -> bool:
    if type(value) is not bool:
        raise plain_misfit("bool", value)
    return value


_MAX_BITS: Final = 10_000
"""Bits of an integer: the standard library refuses to read much longer ones."""


def _write_int(value: Any) -> int:
    if type(value) is not int:
        if not isinstance(value, int) or isinstance(value, bool):
            raise misfit("int", value)
        value = int(value)
    if value.bit_length() > _MAX_BITS:
        raise Misfit("int", "", reason=f"an int of {value.bit_length()} bits is too large, the limit is {_MAX_BITS}")
    return int(value)


def _read_int(value: Any) -> int:
    if type(value) is not int:
        raise plain_misfit("int", value)
    return value


def _write_float(value: Any) -> float:
    if type(value) is not float:
        if not isinstance(value, (int, float)) or isinstance(value, bool):
            raise misfit("float", value)
        value = _as_float(value)
    if not math.isfinite(value):
        raise Misfit("float", "", reason=f"expected a finite float, got {value}: JSON has no such number")
    return float(value)


def _read_float(value: Any) -> float:
    if type(value) is float:
        return value
    if type(value) is int:
        return _as_float(value)
    raise plain_misfit("float", value)


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        raise misfit("float", value) from None


def _write_str(value: Any) -> str:
    if type(value) is not str:
        if not isinstance(value, str):
            raise misfit("str", value)
        value = str.__str__(value)
    if not value.isascii():
        refuse_surrogates(value)
    return str(value)


def refuse_surrogates(value: str) -> None:
    """Text that is no text: half of a surrogate pair, as undecodable file names have it."""
    try:
        value.encode()
    except UnicodeEncodeError as error:
        reason = f"str with a lone surrogate at position {error.start} cannot be written as UTF-8; pass bytes instead"
        raise Misfit("str", "", reason=reason) from None


def _read_str(value: Any) -> str:
    if type(value) is not str:
        raise plain_misfit("str", value)
    return value


def _write_bytes(value: Any) -> str:
    if not isinstance(value, (bytes, bytearray)):
        raise misfit("bytes", value)
    return base64.b64encode(value).decode()


def _read_bytes(value: Any) -> bytes:
    try:
        return base64.b64decode(_read_text(value, "bytes (base64)"), validate=True)
    except (binascii.Error, ValueError):
        raise plain_misfit("bytes (base64)", value) from None


def _read_text(value: Any, expected: str) -> str:
    if type(value) is not str:
        raise plain_misfit(expected, value)
    return value


_LATE: Final = re.compile(r"\d[T ]\d")
"""A date and a time: `datetime.fromisoformat` would take a date alone as midnight."""


def _read_datetime(value: str) -> datetime:
    if not _LATE.search(value):
        raise ValueError
    return datetime.fromisoformat(value)


_SPAN: Final = re.compile(
    r"(?P<sign>-?)P(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+)(?:\.(?P<fraction>\d{1,6}))?S)?)?"
)


def _write_span(value: Any) -> str:
    """ISO 8601, days and seconds only: exact, unlike a float."""
    if not isinstance(value, timedelta):
        raise misfit("timedelta", value)
    span = abs(value)
    fraction = f".{span.microseconds:06d}" if span.microseconds else ""
    return f"{'-' if value.days < 0 else ''}P{span.days}DT{span.seconds}{fraction}S"


def _read_span(value: Any) -> timedelta:
    """ISO 8601, or a number of seconds."""
    if type(value) in (int, float):
        try:
            return timedelta(seconds=value)
        except (OverflowError, ValueError):
            raise plain_misfit("timedelta", value) from None
    text = _read_text(value, "timedelta (ISO 8601)")
    match = _SPAN.fullmatch(text)
    if match is None or text[-1] in "PT":
        raise plain_misfit("timedelta (ISO 8601, such as PT90S)", value)
    sign, *parts, fraction = match.groups()
    weeks, days, hours, minutes, seconds = (int(part or 0) for part in parts)
    micros = int((fraction or "").ljust(6, "0"))
    try:
        span = timedelta(weeks=weeks, days=days, hours=hours, minutes=minutes, seconds=seconds, microseconds=micros)
    except OverflowError:
        raise plain_misfit("timedelta", value) from None
    return -span if sign else span


def _write_decimal(value: Any) -> str:
    if not isinstance(value, Decimal):
        raise misfit("Decimal", value)
    if not value.is_finite():
        raise Misfit("Decimal", "", reason=f"expected a finite Decimal, got {value}")
    return str(value)


def _read_decimal(value: Any) -> Decimal:
    if type(value) is int:
        return Decimal(value)
    try:
        number = Decimal(_read_text(value, "Decimal"))
    except InvalidOperation:
        raise plain_misfit("Decimal", value) from None
    if not number.is_finite():
        raise plain_misfit("Decimal", value)
    return number


def _textual(cls: type, expected: str, write: Callable[[Any], str], read: Callable[[str], Any]) -> Plan:
    """A class whose values are written as text and read back by a function that raises ValueError."""

    def write_value(value: Any) -> str:
        if not isinstance(value, cls) or (cls is date and isinstance(value, datetime)):
            raise misfit(expected, value)
        return write(value)

    def read_value(value: Any) -> Any:
        try:
            return read(_read_text(value, expected))
        except ValueError:
            raise plain_misfit(expected, value) from None

    return Plan(expected=expected, write=write_value, read=read_value, kinds=STRING, types=(cls,), rank=3)


def _path(cls: type[PurePath]) -> Plan:
    def write_value(value: Any) -> str:
        if not isinstance(value, cls):
            raise misfit(cls.__name__, value)
        text = str(value)
        refuse_surrogates(text)
        return text

    def read_value(value: Any) -> Any:
        return cls(_read_text(value, cls.__name__))

    types = tuple(sub for sub in (cls, PosixPath, WindowsPath, PurePosixPath, PureWindowsPath) if issubclass(sub, cls))
    return Plan(expected=cls.__name__, write=write_value, read=read_value, kinds=STRING, types=types, rank=4)


def _scalar(
    cls: type, write: Callable[[Any], Any], read: Callable[[Any], Any], kinds: frozenset[str], rank: int
) -> Plan:
    name = "None" if cls is type(None) else cls.__name__
    return Plan(expected=name, write=write, read=read, kinds=kinds, types=(cls,), rank=rank)


INT: Final = _scalar(int, _write_int, _read_int, INTEGER, 1)
STR: Final = _scalar(str, _write_str, _read_str, STRING, 5)

SCALARS: Final[dict[Any, Plan]] = {
    type(None): _scalar(type(None), _write_none, _read_none, NULL, 0),
    bool: _scalar(bool, _write_bool, _read_bool, BOOLEAN, 0),
    int: INT,
    float: _scalar(float, _write_float, _read_float, NUMBER, 2),
    str: STR,
    bytes: _scalar(bytes, _write_bytes, _read_bytes, STRING, 4),
    datetime: _textual(datetime, "datetime", datetime.isoformat, _read_datetime),
    date: _textual(date, "date", date.isoformat, date.fromisoformat),
    time: _textual(time, "time", time.isoformat, time.fromisoformat),
    timedelta: _scalar(timedelta, _write_span, _read_span, STRING | NUMBER, 4),
    UUID: _textual(UUID, "UUID", str, UUID),
    Decimal: _scalar(Decimal, _write_decimal, _read_decimal, STRING | INTEGER, 4),
    **{cls: _path(cls) for cls in (Path, PurePath, PosixPath, PurePosixPath, PureWindowsPath)},
}
"""One plan for each class; all other annotations are made of these."""
