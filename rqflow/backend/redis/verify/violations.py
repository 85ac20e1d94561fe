"""Violations: what may be found wrong with a hub: the promise that is broken, in words, and what to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    """One thing in a hub that is not as the engine keeps it."""

    word: str
    """What kind of thing it is, for scripts: one of WORDS."""
    promise: str
    """P1 to P10, see DESIGN.md."""
    key: str
    """Where it stands, without the partition's prefix."""
    partition: int
    instance: str
    """Empty where it is about none, or where it cannot be told."""
    wrong: str
    """A sentence."""
    remedy: str
    """What a human can do."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a look has found, as scripts say it."""

    word: str
    key: str
    instance: str
    detail: str


_RERUN: Final = "terminate the instance, or purge it with --force, and start it again"
_REWRITE: Final = "purge the instance when it has ended; nothing is lost but its place in listings"
_STREAM: Final = "nobody waits for it: XACK and XDEL it by hand, or leave it to the worker that takes it"
_ALONE: Final = "cancel or terminate it by itself, when it is done"
_WORKER: Final = "start a worker: its sweep takes over"

WORDS: Final[Mapping[str, tuple[str, str, str]]] = {
    "unreadable": ("P7", "it cannot be read: {detail}", "something else wrote to it; restore it, or remove it by hand"),
    # histories and inboxes
    "history_length": ("P2", "the row and the history differ in the number of events: {detail}", _RERUN),
    "history_bytes": ("P2", "the row and the history differ in bytes: {detail}", _RERUN),
    "history_ends": ("P2", "the history of the current run expires", "PERSIST the key"),
    "history_event": ("P2", "an event of the history cannot be read: {detail}", _RERUN),
    "history_order": ("P2", "the history is not one that a run can have: {detail}", _RERUN),
    "history_twice": ("P5", "something was applied twice: {detail}", _RERUN),
    "inbox_event": ("P8", "news that cannot be read: {detail}", _RERUN),
    "inbox_order": ("P8", "the news are not in the order in which they came: {detail}", _RERUN),
    "inbox_closed": ("P10", "{detail} news wait for an instance that has ended", "remove the key"),
    # tasks
    "task_none": ("P6", "{detail} news wait and there is no task: it is stuck", "suspend the instance and resume it"),
    "task_idle": ("P6", "it has a task though it is {detail}", "suspend the instance and resume it"),
    "task_token": ("P3", "its task's token is none: {detail}", "suspend the instance and resume it"),
    "task_lost": ("P6", "its task {detail} is in no stream: it is stuck", _RERUN),
    "task_other": ("P3", "its task {detail} is an entry for something else", _RERUN),
    "task_extra": ("P6", "the task {detail} is not the one that its instance has", _STREAM),
    "entry_unknown": ("P7", "the entry {detail} is of no known kind", _STREAM),
    "lease_extra": ("P3", "a lease of an entry that is gone: {detail}", "XACK it by hand, or end that worker"),
    "consumer_extra": ("P3", "the consumer {detail} is no worker; nobody takes back what it has on lease", _WORKER),
    "group_unknown": ("P10", "the consumer group {detail} is not ours", "XGROUP DESTROY it, if nobody needs it"),
    # what a run waits for
    "activity_lost": ("P6", "it waits for activity {detail}, which is in no stream", _RERUN),
    "activity_other": ("P3", "the entry of activity {detail} is for something else", _RERUN),
    "activity_extra": ("P10", "a task for activity {detail}, for which nobody waits", _STREAM),
    "attempt_lacks": ("P6", "what the next attempt of activity {detail} needs is gone", _RERUN),
    "due_lacks": ("P6", "it is not due at any time, and should be: {detail}", _RERUN),
    "due_time": ("P6", "it is due at another time than its instance knows: {detail}", _RERUN),
    "due_extra": ("P10", "it is due, and nobody waits for it: {detail}", "nothing: it goes when its time comes"),
    "due_unknown": ("P7", "it is due, and of no known kind: {detail}", "ZREM it by hand"),
    "child_none": ("P6", "it waits for its child {detail}, of which it does not know", _RERUN),
    "claim_child": ("P6", "it has {detail} for an open child, which is none of its own", _RERUN),
    "claim_parent": ("P6", "its parent {detail} does not know of it", _ALONE),
    "claim_signal": ("P6", "it waits for word of its signal to {detail}, and none is under way", _RERUN),
    # indexes, counters, messages
    "index_lacks": ("P10", "the instance is not in this index", _REWRITE),
    "index_order": ("P10", "the instance stands in this index at {detail}, not in its place", _REWRITE),
    "index_extra": ("P10", "the index has something that does not belong in it", "ZREM it by hand"),
    "schedule_unlisted": ("P9", "the schedule {detail} is in no list", "delete it and create it again"),
    "schedule_idle": ("P9", "ends wait for schedule {detail}, which is not due", "pause the schedule and resume it"),
    "count": ("P10", "the number of instances is {detail}", "see what else is named; indexes are mended by hand"),
    "counter": ("P10", "a counter is off: {detail}", "HSET it to a value that is not below what is in use"),
    "broken": ("P7", "{detail} things could not be handled and were set aside", "LRANGE the key, then remove it"),
    "received": ("P8", "messages were received that were never sent: {detail}", "was the other partition restored?"),
    # keys
    "key_unknown": ("P10", "a key of no known kind", "remove it, if nobody needs it"),
    "key_type": ("P10", "the key is a {detail}", "something else wrote to it; restore it, or remove it by hand"),
    "key_extra": ("P10", "the key belongs to nothing and does not expire", "remove it by hand"),
    "meta": ("P1", "the partition's record of its hub is {detail}", "copy the record of partition 0"),
}  # fmt: skip
"""Promise, what is wrong, what to do. The first part of a word says what it is about."""


def explain(finding: Finding, partition: int) -> Violation:
    """A finding in words."""
    promise, wrong, remedy = WORDS[finding.word]
    return Violation(
        word=finding.word,
        promise=promise,
        key=finding.key,
        partition=partition,
        instance=finding.instance,
        wrong=wrong.replace("{detail}", finding.detail[:200]),
        remedy=remedy,
    )
