"""Expectations: what must have become of each instance, from what its clients were told and what it was asked to do."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

from tests.chaos.book import Page, Told
from tests.chaos.findings import Finding, Violation
from tests.chaos.flows import LAST, TRADED

COMPLETED: Final = "completed"
ERRORS: Final = {
    "WorkflowCanceled": "canceled",
    "WorkflowTerminated": "terminated",
    "WorkflowTimedOut": "timed_out",
    "WorkflowFailed": "failed",
}


UNDONE: Final = "undone"
"""Name of the count of ends that clients had read before a failover took them back."""


def hold(page: Page, finding: Finding | None, counts: Counter[str], *, fails_over: bool = False) -> list[Violation]:
    """P1 and P8: what was accepted is there; what a client was given is what stands there.

    Where masters are replaced, what clients read may be undone (docs/durability.md): those are counted.
    """
    said: list[Violation] = []

    def read(what: str) -> None:
        if fails_over:
            counts[UNDONE] += 1
        else:
            say("P1", what)

    def say(promise: str, what: str) -> None:
        said.append(Violation(promise, page.id, f"{what} ({page})"))

    counts["P1"] += 1
    if len(page.winners) > 1:
        say("P1", f"an id that was to be had once was given to {page.winners}")
    if finding is None:
        told_of = page.start == "accepted" or any(each.answer == "accepted" for each in page.told)
        if told_of and page.retention is None and not page.asked("purge"):
            say("P1", "was accepted and is not there")
        return said
    if page.run and page.run != finding.runs[0][0].event.run:  # type: ignore[union-attr]
        say("P1", f"was accepted as run {page.run}")
    if page.start in ("refused", "closed"):
        say("P1", "was refused, and is there")
    row = finding.row
    if row.status not in _possible(page):
        say("P1", f"is {row.status} ({row.reason}), which nobody asked for")
    for outcome in page.outcomes:
        if ERRORS[outcome] != row.status:
            read(f"a client was told {outcome}, and it is {row.status}")
    for result in page.results:
        if row.status != COMPLETED or result != finding.result:
            read(f"a client was given {result}, and there is {finding.result} ({row.status})")
    if row.status == COMPLETED:
        for promise, what in _RESULTS[page.workflow](page, finding.result):
            say(promise, what)
        if page.workflow == "reserve" and page.those("cancel", "accepted") and not page.asked("go"):
            say("P1", "a cancel was accepted and not heard")
    counts["P8"] += len(page.those("number", "accepted"))
    return said


def _possible(page: Page) -> set[str]:
    possible = {COMPLETED}
    if page.asked("cancel"):
        possible.add("canceled")
    if page.asked("terminate"):
        possible.add("terminated")
    if page.workflow == "reserve":
        possible.add("timed_out")  # some have a deadline
    return possible


Problems = list[tuple[str, str]]


def _is(expected: Any) -> Callable[[Page, Any], Problems]:
    def check(page: Page, result: Any) -> Problems:
        return [] if result == expected else [("P1", f"came to {result} instead of {expected}")]

    return check


def _one_of(*expected: Any) -> Callable[[Page, Any], Problems]:
    def check(page: Page, result: Any) -> Problems:
        return [] if result in expected else [("P1", f"came to {result}, which is none of {expected}")]

    return check


def _from_args(expected: Callable[..., Any]) -> Callable[[Page, Any], Problems]:
    def check(page: Page, result: Any) -> Problems:
        return _is(expected(*page.args))(page, result)

    return check


def _drawn(page: Page, result: Any) -> Problems:
    return [] if len(result) == 3 and result[1] == 7 else [("P4", f"drew {result}")]


def _collected(page: Page, result: Any) -> Problems:
    sure = [number for number in page.those("number", "accepted") if number != LAST]
    perhaps = set(page.those("number", "unknown"))
    return _kept(sure, perhaps, result) if page.ordered else _kept(sorted(sure), perhaps, sorted(result))


def _amount(told: Told) -> int:
    amount: int = told.value[0] if isinstance(told.value, tuple) else told.value
    return amount


def _added(page: Page, result: Any) -> Problems:
    adds = [told for told in page.told if told.verb == "add"]
    sure = [_amount(told) for told in adds if told.answer == "accepted"]
    problems = _kept(sure, {_amount(told) for told in adds if told.answer == "unknown"}, result)
    for told in adds:
        if told.answer == "accepted" and not problems:
            amount, answer = told.value
            if answer != sum(result[: result.index(amount) + 1]):
                problems.append(("P5", f"adding {amount} was answered with {answer}, in {result}"))
    for count, total in page.totals:
        known = sum(_amount(told) for told in page.told[:count] if (told.verb, told.answer) == ("add", "accepted"))
        if not problems and total & known != known:
            problems.append(("P8", f"a query was answered with {total} when {known} had been accepted"))
    return problems


def _kept(sure: list[int], perhaps: set[int], result: list[int]) -> Problems:
    problems: Problems = []
    if len(set(result)) != len(result):
        problems.append(("P8", f"something came twice: {result}"))
    if [number for number in result if number in set(sure)] != sure:
        problems.append(("P8", f"accepted were, in this order, {sure}; there is {result}"))
    if strange := set(result) - set(sure) - perhaps:
        problems.append(("P8", f"never sent, or refused: {strange}"))
    return problems


_RESULTS: Final[dict[str, Callable[[Page, Any], Problems]]] = {
    "trade": _is(TRADED),
    "leaf": _from_args(lambda what: f"{what} done"),
    "sell": _from_args(lambda count: list(range(count))),
    "collect": _collected,
    "series": _from_args(lambda count: [f"round {number} done" for number in range(count)]),
    "family": _from_args(lambda depth, width: width**depth),
    "reserve": _is("on"),
    "hurry": _one_of("in time done", "late done"),
    "account": _added,
    "toil": _from_args(lambda beats: beats),
    "dice": _drawn,
    "heavy": _from_args(lambda size: size),
    "forge": _is("forged"),
    "drifting": _is(["begin done", "end done"]),
    "changing": _is(["begin done", "end done"]),
}
