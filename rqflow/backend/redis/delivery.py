"""Delivery: how commands become pipelines and replies become answers. No I/O: the drivers hand it replies."""

from __future__ import annotations

import re
from collections.abc import Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from rqflow.backend.calls.call import Call
from rqflow.backend.redis.address import Endpoint
from rqflow.backend.redis.commands import Command, Place
from rqflow.backend.redis.confirming import Confirmation, Lack
from rqflow.backend.redis.grouping import Group
from rqflow.backend.redis.refusals import explain, kind_of
from rqflow.backend.redis.resp import RedisCommand, ServerError
from rqflow.backend.redis.routing import Routes, redirection, slot_of
from rqflow.backend.redis.scripts import Script
from rqflow.backend.redis.translate import translate
from rqflow.errors import BackendError, BackendUnavailable, RqflowError

ROUNDS: Final = 6
"""How often one command is sent at most: a missing script, then redirections while slots move."""

Pipelines: TypeAlias = Mapping[Endpoint, Sequence[RedisCommand]]
Replies: TypeAlias = Mapping[Endpoint, Sequence[Any]]
Delivery: TypeAlias = Generator[Pipelines, Replies, list[Any]]

_LINE: Final = re.compile(r"user_script:(\d+)")
_WAITS: Final = BackendUnavailable("the cluster keeps moving these keys; try again in a moment")


@dataclass(slots=True)
class _Parcel:
    """One command under way."""

    command: Command[Any]
    slot: int
    index: int
    """Its place among the answers."""
    detour: Endpoint | None = None
    """Where an ASK sent us, for one try."""
    unloaded: bool = False
    """The server does not have its script."""
    promised: Call[Any] | None = None
    """The call, if it promises something."""


def deliver(
    calls: Sequence[Call[Any]], place: Place, routes: Routes, confirmation: Confirmation | None = None
) -> Delivery:
    """Each call's answer or error, in their order; yields one pipeline for each server, and is sent the replies.

    With a `confirmation` it goes behind each pipeline, and what is not confirmed is an error where it was a promise.
    """
    answers: list[Any] = [None] * len(calls)
    parcels = []
    for index, call in enumerate(calls):
        command = translate(call, place)
        if isinstance(command, RqflowError):
            answers[index] = command
        else:
            promised = call if confirmation and call.promises else None
            parcels.append(_Parcel(command, slot_of(command.keys[0]), index, promised=promised))
    for _ in range(ROUNDS):
        if not parcels:
            return answers
        batches = _by_server(parcels, routes)
        groups = {endpoint: _grouped(batch) for endpoint, batch in batches.items()}
        loads = {endpoint: _to_load(batch, endpoint, routes) for endpoint, batch in batches.items()}
        replies = yield {
            endpoint: [
                *(("SCRIPT", "LOAD", script.source) for script in loads[endpoint]),
                *(piece for group in groups[endpoint] for piece in _pieces(group)),
                *_behind(batch, confirmation),
            ]
            for endpoint, batch in batches.items()
        }
        parcels = []
        for endpoint, batch in batches.items():
            found = _last_replies(groups[endpoint], replies[endpoint], len(loads[endpoint]))
            lack = _lacking(batch, confirmation, replies[endpoint], endpoint, routes)
            ran = None
            for parcel, reply in zip(batch, found, strict=True):
                if not isinstance(reply, ServerError):
                    if ran is not parcel.command.script:
                        ran = parcel.command.script
                        routes.ran(endpoint, ran.sha)
                    answers[parcel.index] = _told(parcel, _read(parcel.command, reply), lack)
                elif _again(parcel, reply, endpoint, routes):
                    parcels.append(parcel)
                else:
                    answers[parcel.index] = refused(parcel.command.script, reply, endpoint, routes)
    for parcel in parcels:
        answers[parcel.index] = _WAITS
    return answers


def _by_server(parcels: Sequence[_Parcel], routes: Routes) -> dict[Endpoint, list[_Parcel]]:
    batches: dict[Endpoint, list[_Parcel]] = {}
    batch: list[_Parcel] = []
    last: _Parcel | None = None
    for parcel in parcels:
        # Most calls of a batch go to one partition.
        if last is None or parcel.slot != last.slot or parcel.detour != last.detour:
            batch = batches.setdefault(parcel.detour or routes.owner(parcel.slot), [])
            last = parcel
        batch.append(parcel)
    return batches


def _grouped(batch: Sequence[_Parcel]) -> list[Group]:
    """A batch in its order, consecutive parcels together that may travel as one."""
    groups: list[Group] = []
    for parcel in batch:
        if not groups or not groups[-1].add(parcel.command, parcel.detour):
            groups.append(Group([parcel.command], parcel.detour))
    return groups


def _to_load(batch: Sequence[_Parcel], endpoint: Endpoint, routes: Routes) -> Sequence[Script]:
    """The scripts to send in front of a batch.

    Calls are carried out in their order, so none of a batch may be the only one whose script is missing: it would be
    sent again behind those that came after it. A call that is alone can wait for the server to say so.
    """
    needed: dict[str, Script] = {}
    last: Script | None = None
    for parcel in batch:
        script = parcel.command.script
        if parcel.unloaded or (len(batch) > 1 and script is not last and not routes.has_run(endpoint, script.sha)):
            needed[script.sha] = script
        last = script
    return tuple(needed.values())


def _pieces(group: Group) -> tuple[RedisCommand, ...]:
    return (("ASKING",), group.evaluation()) if group.detour else (group.evaluation(),)


def _behind(batch: Sequence[_Parcel], confirmation: Confirmation | None) -> tuple[RedisCommand, ...]:
    """What waits for replicas behind a batch that promises something."""
    if confirmation is None or not _promises(batch):
        return ()
    # Any partition of this server will do for the mark; one that is not under way needs no detour.
    parcel = min(batch, key=lambda one: one.detour is not None)
    commands = confirmation.commands(parcel.command.keys[0])
    return (("ASKING",), *commands) if parcel.detour else commands


def _promises(batch: Sequence[_Parcel]) -> bool:
    return any(parcel.promised is not None for parcel in batch)


def _lacking(
    batch: Sequence[_Parcel],
    confirmation: Confirmation | None,
    replies: Sequence[Any],
    endpoint: Endpoint,
    routes: Routes,
) -> Lack | None:
    """Why what a batch promises is not safe yet."""
    if confirmation is None or not _promises(batch):
        return None
    lack = confirmation.lacking(replies[-2:], endpoint)
    if lack and lack.demoted:
        routes.doubt(endpoint)
    return lack


def _told(parcel: _Parcel, answer: Any, lack: Lack | None) -> Any:
    """What the caller is told: a promise only if it is safe. A refusal promises nothing, and stands."""
    if lack is None or parcel.promised is None or isinstance(answer, RqflowError):
        return answer
    return lack.error(parcel.promised)


def _last_replies(groups: Sequence[Group], replies: Sequence[Any], loads: int) -> list[Any]:
    """The reply of each command, without those of what was sent in front of it."""
    found: list[Any] = []
    at = loads
    for group in groups:
        at += 2 if group.detour else 1
        found += group.replies(replies[at - 1])
    return found


def _again(parcel: _Parcel, error: ServerError, asked: Endpoint, routes: Routes) -> bool:
    """Whether the command was not carried out and has another place or another chance."""
    detour, parcel.detour = parcel.detour, None
    parcel.unloaded = error.word == "NOSCRIPT"
    match error.word:
        case "NOSCRIPT":
            # Redis was restarted or its scripts flushed, or this node is new to us.
            routes.lost_scripts(asked)
            parcel.detour = detour
        case "MOVED":
            slot, endpoint = redirection(error, asked)
            routes.learn(slot, endpoint)
        case "ASK":
            _, parcel.detour = redirection(error, asked)
        case _:
            return False
    return True


def _read(command: Command[Any], reply: Any) -> Any:
    """The answer; a reply that we cannot read harms only its own call."""
    try:
        return command.read(reply)
    except RqflowError as error:
        return error
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        return BackendError(f"{command.script.name}.lua answered what this rqflow cannot read ({error!r})")


def refused(script: Script, error: ServerError, where: Endpoint, routes: Routes) -> BackendError:
    """The error of a script that Redis refused or that broke."""
    if kind_of(error) == "READONLY":
        routes.doubt(where)
        return BackendUnavailable(f"Redis at {where} has become a read-only replica; the next try looks for its master")
    return explain(error, where, doing=f"{script.name}.lua{_origin(script, error)}")


def _origin(script: Script, error: ServerError) -> str:
    """The line that broke: Redis counts the lines of the whole source, as it was sent."""
    found = _LINE.search(error.text)
    lines = script.source.splitlines()
    if found is None or not 0 < int(found.group(1)) <= len(lines):
        return ""
    return f" ({lines[int(found.group(1)) - 1].strip()[:120]!r})"
