"""Removing: flows that purge instances that have ended, one, a tree or many."""

from __future__ import annotations

from collections import deque
from typing import Final, Unpack

from rqflow.backend.calls.instances import Describe, Description, Purge
from rqflow.client.checks import check_id
from rqflow.client.flow import Facts, Flow, connect, send, send_all
from rqflow.client.listing import FilterKeywords, list_page
from rqflow.client.options import ClientOptions
from rqflow.core.states import CLOSED
from rqflow.errors import InstanceNotClosed, InstanceNotFound, LimitReached, RqflowError

MAX_TREE: Final = 100_000
"""A recursive purge gathers at most so many descendants before it removes the first."""


def purge(options: ClientOptions, id: str, *, recursive: bool = False, force: bool = False) -> Flow[int]:
    """Remove an instance that has ended, with everything kept of it; `recursive`: its descendants too. How many.

    Raises InstanceNotFound, and InstanceNotClosed if it, or a descendant, is open: then nothing has been removed.
    With `force` open ones are removed as well: their code stops at its next commit.
    """
    facts = yield from connect()
    check_id(id, facts.limits)
    doomed = [id]
    if recursive:
        root = yield from send(options, Describe(partition=facts.partition(id), instance=id))
        tree = yield from _tree(options, root)
        for member in tree:
            if member.status not in CLOSED and not force:
                raise InstanceNotClosed(member.instance, member.status)
        # The leaves go first, so that a purge that is broken off can be asked for again and finds the rest.
        doomed = [member.instance for member in reversed(tree)]
    removed = 0
    for start in range(0, len(doomed), options.batch_calls):
        batch = doomed[start : start + options.batch_calls]
        gone = yield from _purged(options, facts, batch, force)
        for answer in gone:
            if isinstance(answer, InstanceNotFound) and recursive:
                continue
            if isinstance(answer, RqflowError):
                raise answer
            removed += 1
    return removed


def purge_many(options: ClientOptions, *, force: bool = False, **where: Unpack[FilterKeywords]) -> Flow[int]:
    """Remove the instances that meet all conditions and have ended; with `force` open ones too. How many.

    Those that come while it runs are not caught. Broken off, it can be asked for again.
    """
    facts = yield from connect()
    removed = 0
    cursor: str | None = None
    while True:
        page = yield from list_page(options, limit=options.batch_calls, cursor=cursor, **where)
        doomed = [row.instance for row in page.rows if force or row.status in CLOSED]
        gone = yield from _purged(options, facts, doomed, force)
        for answer in gone:
            if isinstance(answer, InstanceNotFound | InstanceNotClosed):
                continue  # someone else was quicker, or it began anew under the same id
            if isinstance(answer, RqflowError):
                raise answer
            removed += 1
        cursor = page.cursor
        if cursor is None:
            return removed


def _tree(options: ClientOptions, root: Description) -> Flow[list[Description]]:
    """The instance and all its descendants, parents before children."""
    tree, seen, waiting = [root], {root.instance}, deque([root.instance])
    while waiting:
        parent = waiting.popleft()
        cursor: str | None = None
        while True:
            page = yield from list_page(options, limit=500, cursor=cursor, parent=parent)
            for child in page.rows:
                if child.instance not in seen:
                    seen.add(child.instance)
                    tree.append(child)
                    waiting.append(child.instance)
            if len(tree) > MAX_TREE:
                raise LimitReached(f"descendants of {root.instance!r}", MAX_TREE, "purge its children first")
            cursor = page.cursor
            if cursor is None:
                break
    return tree


def _purged(options: ClientOptions, facts: Facts, instances: list[str], force: bool) -> Flow[list[RqflowError | None]]:
    if not instances:
        return []
    calls = [Purge(partition=facts.partition(id), instance=id, force=force) for id in instances]
    sent = yield from send_all(options, calls)
    if sent.repeated:
        # The first try may have removed it before the connection broke.
        return [None if isinstance(answer, InstanceNotFound) else answer for answer in sent.answers]
    return sent.answers
