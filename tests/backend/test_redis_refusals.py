"""Refusals: each error reply of Redis becomes one clear error with what to do about it."""

from __future__ import annotations

import pytest

from rqflow.backend.redis.refusals import explain, lost
from rqflow.backend.redis.resp import ServerError
from rqflow.errors import BackendError, BackendFull, BackendRefused, BackendUnavailable

WHERE = "db:6379"


@pytest.mark.parametrize(
    ("reply", "kind", "says"),
    [
        ("NOAUTH Authentication required.", BackendRefused, "wants a password"),
        ("WRONGPASS invalid username-password pair or user is disabled.", BackendRefused, "does not accept"),
        ("ERR invalid password", BackendRefused, "does not accept"),
        ("ERR AUTH <password> called without any password configured", BackendRefused, "does not accept"),
        ("NOPERM User ann has no permissions to run the 'evalsha' command", BackendRefused, "evalsha"),
        ("ERR The user executing the script can't run this command or subcommand", BackendRefused, "may not"),
        ("ERR ACL failure in script: User has no permissions to run the 'set' command", BackendRefused, "'set'"),
        ("READONLY You can't write against a read only replica.", BackendRefused, "read-only replica"),
        ("DENIED Redis is running in protected mode", BackendRefused, "protected mode"),
        ("OOM command not allowed when used memory > 'maxmemory'.", BackendFull, "out of memory"),
        ("ERR Error running script: @user_script:3: -OOM command not allowed", BackendFull, "out of memory"),
        ("LOADING Redis is loading the dataset in memory", BackendUnavailable, "loading"),
        ("MASTERDOWN Link with MASTER is down", BackendUnavailable, "lost its master"),
        ("CLUSTERDOWN The cluster is down", BackendUnavailable, "cluster is down"),
        ("TRYAGAIN Multiple keys request during rehashing of slot", BackendUnavailable, "moving keys"),
        ("BUSY Redis is busy running a script.", BackendUnavailable, "long-running script"),
        ("UNKILLABLE Sorry the script already executed write commands", BackendUnavailable, "written already"),
        ("MISCONF Errors writing to the AOF file", BackendUnavailable, "cannot save"),
        ("NOREPLICAS Not enough good replicas to write.", BackendUnavailable, "fewer replicas"),
        ("UNBLOCKED force unblock from blocking operation", BackendUnavailable, "become a replica"),
        ("ERR max number of clients reached", BackendUnavailable, "maxclients"),
        ("ERR unknown command 'FOO'", BackendError, "unknown command 'FOO'"),
    ],
)
def test_an_error_reply_says_what_to_do(reply: str, kind: type[BackendError], says: str) -> None:
    """The class is what a caller can act on, the message names the server."""
    error = explain(ServerError(reply), WHERE, doing="commit.lua")
    assert type(error) is kind
    assert says in str(error)
    assert WHERE in str(error)


@pytest.mark.parametrize(
    "reply",
    [
        "ERR Error running script (call to f_0123): @user_script:12: attempt to index a nil value",
        "ERR user_script:12: attempt to index a nil value script: 0123, on @user_script:12.",
    ],
)
def test_a_script_that_breaks_is_named_with_its_line(reply: str) -> None:
    """A fault of ours is never swallowed: script and line stand in the error, of Redis 6.2 and of 7."""
    error = explain(ServerError(reply), WHERE, doing="commit.lua")
    assert type(error) is BackendError
    assert "commit.lua failed at line 12" in str(error)
    assert "a script failed at line 12" in str(explain(ServerError(reply), WHERE))


def test_an_error_of_no_kind_that_we_know_is_shown_as_it_is() -> None:
    """What Redis invents next can still be read."""
    assert "a command with: NEWWORD of tomorrow" in str(explain(ServerError("NEWWORD of tomorrow"), WHERE))


def test_a_lost_connection_says_where_and_why() -> None:
    """Even an exception without a text gives a reason."""
    assert "db:6379 does not answer: ConnectionResetError" in str(lost(WHERE, ConnectionResetError()))
