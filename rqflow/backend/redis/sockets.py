"""Sockets: how long we wait, how a socket is kept alive, and what is said first on every connection."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Any, Final

from rqflow.backend.redis.address import Address
from rqflow.backend.redis.resp import RedisCommand

CLIENT_NAME: Final = "rqflow"
"""As CLIENT LIST shows our connections."""

_KEEP_ALIVE: Final = (("TCP_KEEPIDLE", 30), ("TCP_KEEPALIVE", 30), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3))


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long a server may take, in seconds."""

    connect: float = 5.0
    """Until a new connection has been let in."""
    answer: float = 10.0
    """Silence while it owes us a reply. A reply that comes slowly but steadily is waited for."""
    idle: float = 30.0
    """After so long a silence a connection is tried with a PING before it is trusted."""


def keep_alive(sock: Any) -> None:
    """Let the kernel notice a peer that is gone."""
    if sock.family not in (socket.AF_INET, socket.AF_INET6):
        return
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in _KEEP_ALIVE:
        option = getattr(socket, name, None)
        if option is not None:
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


def greeting(address: Address) -> list[RedisCommand]:
    """What a new connection says first: who we are, and which database."""
    commands: list[RedisCommand] = []
    if address.password and address.username:
        commands.append(("AUTH", address.username, address.password))
    elif address.password:
        commands.append(("AUTH", address.password))
    commands.append(("CLIENT", "SETNAME", CLIENT_NAME))
    if address.db:
        commands.append(("SELECT", address.db))
    return commands
