"""Refusals: what an error reply of Redis means, and what to do about it."""

from __future__ import annotations

import re
from typing import Final

from rqflow.backend.redis.resp import ServerError
from rqflow.errors import BackendError, BackendFull, BackendRefused, BackendUnavailable

_UNAVAILABLE: Final = {
    "LOADING": "it is loading its data; try again in a moment",
    "MASTERDOWN": "it is a replica that has lost its master",
    "CLUSTERDOWN": "its cluster is down or not yet formed",
    "TRYAGAIN": "its cluster is moving keys; try again in a moment",
    "BUSY": "it is held by a long-running script; try again, or end that script with SCRIPT KILL",
    "MISCONF": "it cannot save to its disk and takes no writes; look at its log",
    "NOREPLICAS": "it has fewer replicas than min-replicas-to-write asks for, and takes no writes",
    "UNKILLABLE": "it is held by a long-running script that has written already",
    "MAXCLIENTS": "it has no room for another client; raise its maxclients",
    "UNBLOCKED": "it has just become a replica; the next try finds the new master",
}
_REFUSED: Final = {
    "NOAUTH": "it wants a password: give it in the URL, redis://user:password@host",
    "WRONGPASS": "it does not accept this user and password",
    "READONLY": "it is a read-only replica: give the address of its master, or use a redis+sentinel:// URL",
    "NOPERM": "this user may not do that",
    "DENIED": "it runs in protected mode: give it a password or set protected-mode no",
}
_OUT_OF_MEMORY: Final = "it is out of memory and takes no writes: raise maxmemory, or purge ended instances"

_RUNTIME: Final = re.compile(r"(?:user_script|[0-9a-f]{40}):(\d+):? ?(.*)", re.DOTALL)
_CODE_INSIDE: Final = re.compile(r"-?\b(OOM|READONLY|NOPERM|MISCONF|MASTERDOWN|NOREPLICAS)\b")
_NO_RIGHTS: Final = re.compile(r"can't run this command|ACL failure|no permissions to", re.IGNORECASE)


def explain(error: ServerError, where: object, *, doing: str = "") -> BackendError:
    """The reply `error` of the server at `where` as an error of ours; `doing` names the script or command."""
    word = kind_of(error)
    if word == "OOM":
        return BackendFull(f"Redis at {where}: {_OUT_OF_MEMORY}")
    if word in _UNAVAILABLE:
        return BackendUnavailable(f"Redis at {where}: {_UNAVAILABLE[word]}")
    if word in _REFUSED:
        detail = f" ({error.text.partition(' ')[2][:200]})" if word == "NOPERM" else ""
        asked = f", asked for {doing}" if doing and word == "NOPERM" else ""
        return BackendRefused(f"Redis at {where}{asked}: {_REFUSED[word]}{detail}")
    if "non local key" in error.text:
        return BackendUnavailable(f"Redis at {where} is moving this partition's keys to another node; try again later")
    return _fault(error, where, doing)


def kind_of(error: ServerError) -> str:
    """The word that says what is wrong: inside a script Redis puts ERR and much else in front of it."""
    if error.word != "ERR":
        return error.word
    inside = _CODE_INSIDE.search(error.text)
    if inside:
        return inside.group(1)
    if "invalid password" in error.text or "without any password" in error.text:
        return "WRONGPASS"
    if "max number of clients" in error.text:
        return "MAXCLIENTS"
    return "NOPERM" if _NO_RIGHTS.search(error.text) else "ERR"


def _fault(error: ServerError, where: object, doing: str) -> BackendError:
    """A script that broke, or a command that Redis does not take: a fault of ours, shown with its place."""
    found = _RUNTIME.search(error.text)
    if found:
        return BackendError(f"{doing or 'a script'} failed at line {found.group(1)}: {error.text[:500]}")
    return BackendError(f"Redis at {where} answered {doing or 'a command'} with: {error.text[:500]}")


def crowded(where: object, size: int, seconds: float) -> BackendUnavailable:
    """All connections to `where` are in use by those who wait for replicas."""
    return BackendUnavailable(
        f"Redis at {where}: all {size} connections that may wait for replicas were in use for {seconds:g} s; nothing "
        "was sent. Are its replicas connected? See rqflow doctor"
    )


def lost(where: object, reason: object) -> BackendUnavailable:
    """The connection to `where` broke or could not be made."""
    text = str(reason) or type(reason).__name__
    return BackendUnavailable(
        f"Redis at {where} does not answer: {text}; check that it runs and that the address is right"
    )
