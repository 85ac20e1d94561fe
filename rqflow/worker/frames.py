"""Frames: what a worker and the process of an isolated activity say to each other over a socket.

A frame is a length (4 bytes, big endian), a header (a JSON array on one line) and a payload: any bytes.
"""

from __future__ import annotations

import socket
import struct
from typing import Any, Final

from rqflow.converters.json import dump_json, load_json

LENGTH: Final = struct.Struct(">I")
MAX_FRAME: Final = 256 * 1_048_576
"""Larger than any payload limit that makes sense; a broken length does not eat the memory."""


class BrokenFrame(Exception):
    """The other side ended, or said something that is no frame."""


def pack(header: list[Any], payload: bytes = b"") -> bytes:
    """A frame as bytes."""
    body = dump_json(header) + b"\n" + payload
    return LENGTH.pack(len(body)) + body


def unpack(body: bytes) -> tuple[list[Any], bytes]:
    """Header and payload of a frame without its length. Raises BadValue, BrokenFrame."""
    head, _, payload = body.partition(b"\n")
    header = load_json(head)
    if not isinstance(header, list) or not header:
        raise BrokenFrame("a frame begins with an array")
    return header, payload


def length_of(prefix: bytes) -> int:
    """The length that a frame begins with. Raises BrokenFrame."""
    size: int = LENGTH.unpack(prefix)[0]
    if size > MAX_FRAME:
        raise BrokenFrame(f"a frame of {size} bytes")
    return size


def receive(connection: socket.socket) -> tuple[list[Any], bytes]:
    """The next frame, blocking. Raises BrokenFrame at the end of the stream."""
    return unpack(_exactly(connection, length_of(_exactly(connection, LENGTH.size))))


def _exactly(connection: socket.socket, count: int) -> bytes:
    parts = bytearray()
    while len(parts) < count:
        part = connection.recv(min(count - len(parts), 1_048_576))
        if not part:
            raise BrokenFrame("the other side has ended")
        parts += part
    return bytes(parts)
