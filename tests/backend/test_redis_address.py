"""Addresses: what a Redis URL says, and that a wrong one is refused without showing its password."""

from __future__ import annotations

import ssl

import pytest

from rqflow.backend.redis.address import Endpoint, parse_address
from rqflow.errors import BadInput

SECRET = "hunter2!"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://localhost", "redis://localhost:6379"),
        ("redis://", "redis://localhost:6379"),
        ("redis://:hunter2!@db.example:7000/3", "redis://db.example:7000/3"),
        ("redis://ann:hunter2!@[::1]:7000", "redis://[::1]:7000"),
        ("redis://[::1]", "redis://[::1]:6379"),
        ("rediss://h?db=2", "rediss://h:6379/2"),
        ("unix:///run/redis.sock", "unix:///run/redis.sock"),
        ("unix://:hunter2!@/run/redis.sock?db=1", "unix:///run/redis.sock"),
        ("redis+sentinel://:hunter2!@a,b:26380/mymaster/1", "redis+sentinel://a:26379,b:26380/mymaster"),
        ("redis+cluster://a:7001,b:7002", "redis+cluster://a:7001,b:7002"),
        ("rediss+cluster://a", "rediss+cluster://a:6379"),
    ],
)
def test_an_address_is_shown_without_its_password(url: str, shown: str) -> None:
    """Messages and reprs say where, never how to get in."""
    address = parse_address(url)
    assert str(address) == shown
    assert SECRET not in repr(address)
    assert address.password == (SECRET if SECRET in url else "")


def test_an_address_keeps_what_the_url_says() -> None:
    """User, password, database, sentinels and service, unquoted."""
    address = parse_address("redis+sentinel://ann:p%40ss@one:1,two:2/my%20master/5")
    assert (address.username, address.password, address.db) == ("ann", "p@ss", 5)
    assert address.endpoints == (Endpoint("one", 1), Endpoint("two", 2))
    assert address.service == "my master"
    assert parse_address("unix:///a%20b.sock?db=4").endpoints == (Endpoint(path="/a b.sock"),)
    assert parse_address("unix:///a.sock?db=4").db == 4
    assert parse_address("redis+cluster://a").cluster


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://:hunter2!@host", "begins with one of redis://"),
        ("localhost:6379", "begins with one of redis://"),
        ("redis://:hunter2!@host:notaport", "port must be 1 to 65535"),
        ("redis://host:0", "port must be 1 to 65535"),
        ("redis://host:99999", "port must be 1 to 65535"),
        ("redis://:hunter2!@host/abc", "must be a number, not 'abc'|must be a number, not abc"),
        ("redis://host/1/2", "must be a number"),
        ("redis://host?db=x", "must be a number"),
        ("redis://:hunter2!@host?socket_timeout=3", "'socket_timeout' is not known"),
        ("redis://:hunter2!@host?nonsense", "cannot be read"),
        ("redis://:hunter2!@[::1", "cannot be read"),
        ("redis+cluster://host/2", "only database 0"),
        ("redis+sentinel://host", "name of its service"),
        ("unix://", "path of a socket"),
    ],
)
def test_a_wrong_address_is_refused_with_what_is_wrong(url: str, why: str) -> None:
    """One clear error, and the password is not in it."""
    with pytest.raises(BadInput, match=why) as caught:
        parse_address(url)
    assert SECRET not in str(caught.value)


def test_encryption_is_as_strict_as_it_is_asked_to_be() -> None:
    """TLS believes only who is certified, unless the URL says otherwise."""
    strict = parse_address("rediss://host").encryption
    loose = parse_address("rediss://host?ssl_cert_reqs=none").encryption
    nameless = parse_address("rediss://host?ssl_check_hostname=false").encryption
    assert strict is not None
    assert loose is not None
    assert nameless is not None
    assert (strict.context().verify_mode, strict.context().check_hostname) == (ssl.CERT_REQUIRED, True)
    assert (loose.context().verify_mode, loose.context().check_hostname) == (ssl.CERT_NONE, False)
    assert (nameless.context().verify_mode, nameless.context().check_hostname) == (ssl.CERT_REQUIRED, False)
    assert parse_address("redis://host").encryption is None


@pytest.mark.parametrize("option", ["ssl_ca_certs", "ssl_certfile"])
def test_a_certificate_that_is_not_there_is_the_callers_mistake(option: str) -> None:
    """A wrong file is named as such before anything is sent."""
    with pytest.raises(BadInput, match="TLS files"):
        parse_address(f"rediss://host?{option}=/nowhere.pem")


def test_a_strictness_that_nobody_knows_is_refused() -> None:
    """A typo does not make TLS believe everyone."""
    with pytest.raises(BadInput, match="ssl_cert_reqs"):
        parse_address("rediss://host?ssl_cert_reqs=nome")
