"""Address: where a Redis is and how to get in, read from a URL; its password is never shown."""

from __future__ import annotations

import ssl
from dataclasses import asdict, dataclass, field
from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from redis.asyncio.connection import SSLConnection
from redis.exceptions import RedisError

from rqflow.errors import BadInput

SCHEMES = ("redis", "rediss", "unix", "redis+sentinel", "redis+cluster", "rediss+cluster")
DEFAULT_PORT = 6379
SENTINEL_PORT = 26379

_OPTIONS = frozenset({"db", "ssl_ca_certs", "ssl_certfile", "ssl_keyfile", "ssl_cert_reqs", "ssl_check_hostname"})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One server: a host and a port, or the path of a Unix socket."""

    host: str = ""
    port: int = 0
    path: str = ""

    def __str__(self) -> str:
        if self.path:
            return self.path
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Encryption:
    """How TLS is spoken: whom to believe and who we are, in the words of the Redis client."""

    ssl_ca_certs: str | None = None
    ssl_certfile: str | None = None
    ssl_keyfile: str | None = None
    ssl_cert_reqs: str = "required"
    ssl_check_hostname: bool = True

    def context(self) -> ssl.SSLContext:
        """As the client makes it for each connection. Raises BadInput if a file cannot be read."""
        try:
            return SSLConnection(**asdict(self)).ssl_context.get()
        except RedisError as error:
            raise BadInput(f"the Redis URL's ssl_cert_reqs must be none, optional or required: {error}") from error
        except OSError as error:
            raise BadInput(f"the TLS files of the Redis URL cannot be used: {error}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """What a Redis URL says."""

    endpoints: tuple[Endpoint, ...]
    """The server; or the sentinels; or the cluster nodes to begin with."""
    service: str = ""
    """Name of the master that sentinels are asked for; empty: no sentinels."""
    cluster: bool = False
    """Said by the URL. A plain URL of a cluster node is found out when it is opened."""
    username: str = ""
    password: str = field(default="", repr=False)
    db: int = 0
    encryption: Encryption | None = None

    def __str__(self) -> str:
        """For messages: without user and password."""
        where = ",".join(map(str, self.endpoints))
        if self.service:
            return f"redis+sentinel://{where}/{self.service}"
        if self.endpoints[0].path:
            return f"unix://{where}"
        scheme = ("rediss" if self.encryption else "redis") + ("+cluster" if self.cluster else "")
        return f"{scheme}://{where}" + (f"/{self.db}" if self.db else "")


def parse_address(url: str) -> Address:
    """The address in a URL. Raises BadInput, whose message never holds the password.

    redis://[[user]:password@]host[:port][/db], rediss://… (TLS), unix://[user:password@]/path/to.sock[?db=0],
    redis+sentinel://host[:port][,host…]/service[/db], redis+cluster://host[:port][,host…].
    """
    try:
        split = urlsplit(url)
        options = _options(split)
    except ValueError as error:
        raise BadInput(f"the Redis URL cannot be read: {_harmless(error)}") from None
    if split.scheme not in SCHEMES:
        raise BadInput(f"a Redis URL begins with one of {', '.join(f'{name}://' for name in SCHEMES)}")
    secret, _, hosts = split.netloc.rpartition("@")
    username, _, password = secret.partition(":")
    service, db = _service_and_db(split, options)
    if split.scheme == "unix":
        endpoints: tuple[Endpoint, ...] = (Endpoint(path=unquote(hosts + split.path)),)
        if not endpoints[0].path:
            raise BadInput("a unix:// URL needs the path of a socket, such as unix:///run/redis/redis.sock")
    else:
        port = SENTINEL_PORT if service else DEFAULT_PORT
        endpoints = tuple(_endpoint(host, port) for host in (hosts or "localhost").split(","))
    return Address(
        endpoints=endpoints,
        service=service,
        cluster=split.scheme.endswith("+cluster"),
        username=unquote(username),
        password=unquote(password),
        db=db,
        encryption=_encryption(options) if split.scheme.startswith("rediss") else None,
    )


def _harmless(error: ValueError) -> str:
    """What is wrong, unless it quotes the URL."""
    text = str(error)
    return text if text.startswith("option ") else "it is no URL"


def _options(split: SplitResult) -> dict[str, str]:
    options = {name: values[-1] for name, values in parse_qs(split.query, strict_parsing=bool(split.query)).items()}
    for name in options:
        if name not in _OPTIONS:
            raise ValueError(f"option {name!r} is not known; known: {', '.join(sorted(_OPTIONS))}")
    return options


def _service_and_db(split: SplitResult, options: dict[str, str]) -> tuple[str, int]:
    parts = [] if split.scheme == "unix" else [part for part in split.path.split("/") if part]
    service = ""
    if split.scheme == "redis+sentinel":
        if not parts:
            raise BadInput("a redis+sentinel:// URL ends with the name of its service: redis+sentinel://host/service")
        service = unquote(parts.pop(0))
    text = options.get("db", parts[0] if parts else "0")
    if len(parts) > 1 or not text.isascii() or not text.isdigit():
        raise BadInput(f"the Redis URL's database must be a number, not {'/'.join(parts) or text!r}")
    if int(text) and split.scheme.endswith("+cluster"):
        raise BadInput("a Redis Cluster has only database 0")
    return service, int(text)


def _endpoint(text: str, port: int) -> Endpoint:
    host, bracket, rest = text.partition("]")
    if bracket:
        host, rest = host.removeprefix("["), rest.removeprefix(":")
    else:
        host, _, rest = text.partition(":")
    if rest and (not rest.isdigit() or not 0 < int(rest) < 65_536):
        raise BadInput(f"the Redis URL's port must be 1 to 65535, not {rest!r}")
    return Endpoint(host=unquote(host) or "localhost", port=int(rest) if rest else port)


def _encryption(options: dict[str, str]) -> Encryption:
    given: dict[str, Any] = {name: value for name, value in options.items() if name.startswith("ssl_")}
    if "ssl_check_hostname" in given:
        given["ssl_check_hostname"] = given["ssl_check_hostname"].lower() != "false"
    encryption = Encryption(**given)
    encryption.context()
    return encryption
