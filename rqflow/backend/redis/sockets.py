"""Sockets: how long we wait, what a connection of the Redis client is made from, and what its failures mean."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any, Final

from redis.exceptions import InvalidResponse, RedisError
from redis.exceptions import TimeoutError as RedisTimeout

from rqflow.backend.redis.address import Address, Endpoint
from rqflow.backend.redis.refusals import explain, lost
from rqflow.backend.redis.resp import RedisCommand, error_reply
from rqflow.errors import BackendError

INTRODUCTION: Final[RedisCommand] = ("CLIENT", "SETNAME", "rqflow")
"""Said on every new connection, for CLIENT LIST. A user who may not say it is let in all the same."""

READ_BYTES: Final = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long a server may take, in seconds."""

    connect: float = 5.0
    """Until a new connection has been let in."""
    answer: float = 10.0
    """Silence while it owes us a reply. A reply that comes slowly but steadily is waited for."""
    idle: float = 30.0
    """After so long a silence a connection is tried with a PING before it is trusted."""
    durable: float = 5.0
    """Until enough replicas have what was promised."""

    def waiting_for_replicas(self) -> Timeouts:
        """Of connections on which Redis may hold back its answer for so long."""
        return replace(self, answer=self.answer + self.durable)


def wire_settings(address: Address, endpoint: Endpoint, timeouts: Timeouts) -> dict[str, Any]:
    """The arguments of a connection of the Redis client, of asyncio or not, whose class fits the endpoint."""
    settings: dict[str, Any] = {
        "username": address.username if address.password else None,
        "password": address.password or None,
        "db": address.db,
        "protocol": 2,
        "driver_info": None,
        "socket_connect_timeout": timeouts.connect,
        "socket_read_size": READ_BYTES,
    }
    if endpoint.path:
        return settings | {"path": endpoint.path}
    settings |= {"host": endpoint.host, "port": endpoint.port, "socket_keepalive": True}
    return settings | asdict(address.encryption) if address.encryption else settings


def not_let_in(endpoint: Endpoint, error: Exception, timeouts: Timeouts) -> BackendError:
    """Why there is no connection."""
    if isinstance(error.__cause__, RedisError):
        # On a Unix socket of asyncio the client is let in before it counts as connected, and wraps what it hears.
        error = error.__cause__
    if isinstance(error, TimeoutError | RedisTimeout):
        return lost(endpoint, f"no connection within {timeouts.connect:g} seconds")
    reply = error_reply(error)
    return explain(reply, endpoint, doing="AUTH or SELECT") if reply else lost(endpoint, cause_of(error))


def cause_of(error: Exception) -> str:
    """Why a connection is at its end."""
    if isinstance(error, InvalidResponse | ValueError):
        return f"it does not speak as Redis does ({error})"
    return str(error.__context__ if isinstance(error.__context__, OSError) else error).rstrip(".")
