"""Reference: what may come of a program, worked out on paper: no event loop, no history, nothing of rqflow.

`ends(node, at, …)` is the set of all ways in which a node that begins at a time can end: when, with what, which cancels
are still to come, how many signals are used up. What happens at different times happens in that order; of what happens
at the same time either may be first, and both ways are in the set. Where asyncio itself is too subtle to be sure (two
cancels that meet in one cleanup) the reference says so (Unsure), and any result is allowed.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple, TypeAlias

from tests.programs.language import (
    Child,
    Count,
    Draw,
    Echo,
    Gather,
    Group,
    Hear,
    Leave,
    Nap,
    Node,
    Note,
    Nowhere,
    Oops,
    Program,
    Race,
    Seq,
    Shield,
    Step,
    Try,
    Within,
)

Outcome: TypeAlias = tuple[Any, ...]
"""("value", what), ("failed", a description), ("canceled", by whom), ("never",)."""
Cancels: TypeAlias = tuple[tuple[float, str], ...]
"""When a task is still to be canceled, and by whom, earliest first."""

NEVER: Outcome = ("never",)
HORIZON = 1_000_000
"""Units after which a client cancels what hangs; again at twice that time, and so on."""
PATIENCE = 4
"""How often a client does that."""
MANY = 300
"""More ends of one node are not worked out."""
EFFORT = 2_000
"""Nodes, counted as often as they may begin, after which the reference gives up."""


class Unsure(Exception):
    """The reference cannot say, or not in bounded time: anything goes."""


class End(NamedTuple):
    """One way in which a node ends."""

    at: float
    outcome: Outcome
    cancels: Cancels = ()
    used: frozenset[tuple[str, int]] = frozenset()
    """How many signals of each name have been heard."""
    dirty: bool = False
    """The task was canceled and went on: asyncio.timeout around it cannot tell any more whose cancel came."""

    def then(self, outcome: Outcome) -> End:
        return self._replace(outcome=outcome)

    @property
    def failed(self) -> bool:
        return bool(self.outcome[0] == "failed")

    @property
    def good(self) -> bool:
        return bool(self.outcome[0] == "value")


def outcomes(program: Program, *, timeless: bool = False) -> set[Outcome]:
    """What the instance may come to: ("value", …), ("failed", …), ("canceled",) or ("never",). Raises Unsure.

    `timeless`: nothing is known of how long anything takes, so anything may overtake anything."""
    scale = 0 if timeless else 1
    cancels = [(send.at * scale, "client") for send in program.sends if send.what == "cancel"]
    cancels += [(HORIZON * times, "client") for times in range(1, PATIENCE + 1)]
    arrivals: dict[str, list[float]] = {}
    for send in program.sends:
        arrivals.setdefault(send.name if send.what == "signal" else f"/{send.what}", []).append(send.at * scale)
    paper = Paper(arrivals, scale=scale, runs=len(program.runs))
    return {_seen(end.outcome) for end in paper.sequence(program.runs, End(0, (), tuple(sorted(cancels))))}


def child_outcomes(body: Node) -> set[Outcome]:
    """What a child that is left to itself may come to."""
    return {_seen(end.outcome) for end in Paper({}, scale=1, runs=1).sequence((body,), End(0, ()))}


def _seen(outcome: Outcome) -> Outcome:
    return ("canceled",) if outcome[0] == "canceled" else outcome


class Paper:
    """One instance: what it is sent, and how its nodes end."""

    def __init__(
        self, arrivals: dict[str, list[float]], *, scale: int, runs: int, effort: Iterator[int] | None = None
    ) -> None:
        self._arrivals = arrivals
        self._scale = scale
        self._runs = runs
        self._effort = itertools.count() if effort is None else effort

    # ---- the plainest nodes -------------------------------------------------------------------------------------

    def ends(self, node: Node, begin: End) -> set[End]:
        """How a node may end that begins where another ended."""
        if next(self._effort) > EFFORT:
            raise Unsure("too many ways")
        ways = (
            end if end.at < math.inf else end.then(NEVER)
            for ordered in _orders(begin)
            for end in self._ends(node, ordered)
        )
        found = set(itertools.islice(ways, MANY + 1))
        if len(found) > MANY:
            raise Unsure("too many ways")
        return found

    def _ends(self, node: Node, begin: End) -> Iterator[End]:
        at = begin.at
        match node:
            case Step():
                good = node.failures < node.attempts
                waits = 0 if node.local else node.failures if good else node.attempts - 1
                outcome = ("value", node.tag) if good else ("failed", f"step {node.tag}")
                return _wait(begin, at + waits * node.delay * self._scale, outcome)
            case Nap():
                return _wait(begin, at + node.units * self._scale, ("value", node.tag))
            case Hear():
                return self._hear(node.name, begin)
            case Count():
                return _wait(begin, self._count(node, at), ("value", node.tag))
            case Note() | Echo():
                return _wait(begin, at, ("value", node.tag))
            case Draw():
                return _wait(begin, at, ("value", True))
            case Oops():
                return _wait(begin, at, ("failed", f"oops {node.tag}"))
            case Nowhere():
                return _wait(begin, at, ("failed", "nowhere"))
            case Leave():
                return _wait(begin, at, ("value", node.tag))
            case Child():
                return self._child(node, begin)
            case Seq():
                return self.sequence(node.parts, begin)
            case Gather():
                return self._collect(node, begin) if node.collect else self._gather(node, begin)
            case Group():
                return self._group(node, begin)
            case Race():
                return self._race(node, begin)
            case Within():
                return self._within(node, begin)
            case Try():
                return self._try(node, begin)
            case Shield():
                return self._shield(node, begin)

    def task(self, node: Node, begin: End) -> set[End]:
        """As `ends`, of a node in a task of its own: canceled at once it may never begin."""
        found = self.ends(node, begin._replace(dirty=False))
        if begin.cancels and begin.cancels[0][0] <= begin.at:
            found.add(_canceled(begin))
        return found

    def _hear(self, name: str, begin: End) -> Iterator[End]:
        used = dict(begin.used)
        number = used.get(name, 0)
        came = self._arrivals.get(name, [])
        at = max(begin.at, came[number]) if number < len(came) else math.inf
        for end in _wait(begin, at, ("value", number)):
            yield end._replace(used=frozenset({**used, name: number + 1}.items())) if end.good else end

    def _count(self, node: Count, at: float) -> float:
        if node.what == "updates" and self._runs > 1:
            raise Unsure("an update that comes as a run ends is refused")
        came = self._arrivals.get("/update" if node.what == "updates" else "/handled", [])
        if node.least == 0:
            return at
        return max(at, came[node.least - 1]) if node.least <= len(came) else math.inf

    def _child(self, node: Child, begin: End) -> Iterator[End]:
        at, after = begin.at, node.cancel_after * self._scale
        arrivals = {"": [at] * node.signals} if node.handle else {}
        canceled = node.handle and node.cancel_after >= 0
        cancels: Cancels = ((at + after, "parent"),) if canceled else ()
        child = Paper(arrivals, scale=self._scale, runs=1, effort=self._effort)
        for end in child.task(node.body, End(at, (), cancels)):
            match end.outcome:
                case ("value", what):
                    outcome: Outcome = ("value", ("child", what))
                case ("failed", why):
                    outcome = ("failed", f"child {why}")
                case ("canceled", _):
                    outcome = ("failed", "child canceled")
                case _:
                    outcome = NEVER
            yield from _wait(begin, max(end.at, at + after) if canceled else end.at, outcome)

    # ---- nodes of nodes -----------------------------------------------------------------------------------------

    def sequence(self, parts: Sequence[Node], begin: End) -> Iterator[End]:
        """One after the other."""
        if not parts:
            return iter([begin.then(("value", ()))])
        return self._sequence(parts, begin)

    def _sequence(self, parts: Sequence[Node], begin: End) -> Iterator[End]:
        for first in self.ends(parts[0], begin):
            if not first.good:
                yield first
                continue
            for rest in self.sequence(parts[1:], first):
                yield rest.then(("value", (first.outcome[1], *rest.outcome[1]))) if rest.good else rest

    def _try(self, node: Try, begin: End) -> Iterator[End]:
        for body in self.ends(node.body, begin):
            for end in self._rescue(node.rescue, body):
                if node.cleanup is None or end.outcome == NEVER:
                    yield end
                    continue
                for cleanup in self.ends(node.cleanup, end):
                    yield _cleaned(end, cleanup)

    def _rescue(self, rescue: Node | None, body: End) -> Iterator[End]:
        if body.good:
            yield body.then(("value", ("fine", body.outcome[1])))
        elif rescue is None or not body.failed:
            yield body
        else:
            for end in self.ends(rescue, body):
                yield end.then(("value", ("rescued", body.outcome[1], end.outcome[1]))) if end.good else end

    def _within(self, node: Within, begin: End) -> Iterator[End]:
        me = f"timeout {id(node)} {begin.at}"
        cancels = tuple(sorted((*begin.cancels, (begin.at + node.units * self._scale, me))))
        for end in self.ends(node.body, begin._replace(cancels=cancels, dirty=False)):
            left = tuple(each for each in end.cancels if each[1] != me)
            canceled = end.outcome == ("canceled", me)
            if canceled and (end.dirty or len(left) < len(begin.cancels)):
                raise Unsure("whose cancel was it")
            outcome = ("failed", "timeout") if canceled else end.outcome
            yield end._replace(outcome=outcome, cancels=left, dirty=end.dirty or begin.dirty)

    def _shield(self, node: Shield, begin: End) -> Iterator[End]:
        for end in self.task(node.body, begin._replace(cancels=())):
            yield from _wait(begin._replace(used=end.used), end.at, end.outcome)

    def _race(self, node: Race, begin: End) -> Iterator[End]:
        for number, part in enumerate(node.parts):
            others = [each for other, each in enumerate(node.parts) if other != number]
            for winner in self.task(part, begin._replace(cancels=())):
                if winner.at == math.inf or (begin.cancels and winner.at > begin.cancels[0][0]):
                    continue
                for losers in self._all(others, begin, ((winner.at, "race"),), not_before=winner.at):
                    end = _together(begin, (winner, *losers))
                    won: Outcome = ("value", (number, winner.outcome[1])) if winner.good else winner.outcome
                    yield from _interrupted(end.then(won), winner.at)
        if not begin.cancels and all(any(end.at == math.inf for end in self.task(part, begin)) for part in node.parts):
            yield begin._replace(at=math.inf)
        yield from self._canceled(node.parts, begin)

    def _group(self, node: Group, begin: End) -> Iterator[End]:
        yield from self._all_good(node.parts, begin)
        for number, part in enumerate(node.parts):
            others = [each for other, each in enumerate(node.parts) if other != number]
            for first in self.task(part, begin._replace(cancels=())):
                if not first.failed or (begin.cancels and first.at > begin.cancels[0][0]):
                    continue
                for rest in self._all(others, begin, ((first.at, "group"),)):
                    if any(other.failed and other.at < first.at for other in rest):
                        continue
                    end = _together(begin, (first, *rest))
                    if begin.cancels and begin.cancels[0][0] <= end.at:
                        raise Unsure("a cancel while a group ends")
                    yield end._replace(outcome=_failures((first, *rest)), dirty=True)
        for end, parts in self._canceled_parts(node.parts, begin):
            if any(part.failed and part.at < begin.cancels[0][0] for part in parts):
                continue
            failed = any(part.failed for part in parts)
            yield end._replace(outcome=_failures(parts), dirty=True) if failed else end

    def _collect(self, node: Gather, begin: End) -> Iterator[End]:
        for parts in self._all(node.parts, begin, ()):
            end = _together(begin, parts)
            if not begin.cancels or end.at <= begin.cancels[0][0]:
                values = tuple(
                    ("good" if part.good else "bad", part.outcome[1]) for part in parts if part.at < math.inf
                )
                yield end.then(("value", values) if end.at < math.inf else NEVER)
        yield from self._canceled(node.parts, begin)

    def _gather(self, node: Gather, begin: End) -> Iterator[End]:
        yield from self._all_good(node.parts, begin)
        for parts in self._all(node.parts, begin, ()):
            bad = [part for part in parts if part.failed]
            first = min((part.at for part in bad), default=math.inf)
            for part in bad:
                if part.at == first and (not begin.cancels or first <= begin.cancels[0][0]):
                    yield begin._replace(at=first, outcome=part.outcome)
        for end, parts in self._canceled_parts(node.parts, begin):
            bad = [part for part in parts if not part.good]
            first = min((part.at for part in bad), default=end.at)
            if first < begin.cancels[0][0]:
                continue
            yield end._replace(at=max(first, begin.cancels[0][0]))
            for part in bad:
                if part.failed and part.at == first:
                    yield end._replace(at=first, outcome=part.outcome, dirty=True)

    # ---- many at once -------------------------------------------------------------------------------------------

    def _all(
        self, parts: Sequence[Node], begin: End, cancels: Cancels, *, not_before: float = 0
    ) -> Iterator[tuple[End, ...]]:
        """All ways in which tasks that begin together can end."""
        each = [
            [end for end in self.task(part, begin._replace(cancels=cancels)) if end.at >= not_before] for part in parts
        ]
        if math.prod(map(len, each)) > 10 * MANY:
            raise Unsure("too many ways")
        return itertools.product(*each)

    def _all_good(self, parts: Sequence[Node], begin: End) -> Iterator[End]:
        """All give a value before they are canceled; or wait for ever, and nobody cancels them."""
        for ended in self._all(parts, begin, ()):
            end = _together(begin, ended)
            if all(part.good for part in ended) and (not begin.cancels or end.at <= begin.cancels[0][0]):
                yield end.then(("value", tuple(part.outcome[1] for part in ended)))
            elif end.at == math.inf and not begin.cancels and not any(part.failed for part in ended):
                yield end.then(NEVER)

    def _canceled_parts(self, parts: Sequence[Node], begin: End) -> Iterator[tuple[End, tuple[End, ...]]]:
        """All are canceled when the node is; it ends when they have cleaned up."""
        if not begin.cancels:
            return
        (at, who), *more = begin.cancels
        for ended in self._all(parts, begin, ((at, who),)):
            end = _together(begin, ended)
            if end.at < at:
                continue  # it was over by then
            if more and more[0][0] <= end.at:
                raise Unsure("canceled twice")
            yield end._replace(outcome=("canceled", who), cancels=tuple(more)), ended

    def _canceled(self, parts: Sequence[Node], begin: End) -> Iterator[End]:
        for end, _ in self._canceled_parts(parts, begin):
            yield end


def _orders(begin: End) -> Iterator[End]:
    """Of cancels that come at the same time any may be the first."""
    for place, first in enumerate(begin.cancels):
        if first[0] == begin.cancels[0][0]:
            yield begin._replace(cancels=(first, *begin.cancels[:place], *begin.cancels[place + 1 :]))
    if not begin.cancels:
        yield begin


def _wait(begin: End, until: float, outcome: Outcome) -> Iterator[End]:
    """Something is waited for, unless a cancel comes first."""
    canceled_at = begin.cancels[0][0] if begin.cancels else math.inf
    if until < math.inf and until <= canceled_at:
        yield begin._replace(at=until, outcome=outcome)
    if canceled_at < math.inf and canceled_at <= until:
        yield _canceled(begin)
    if until == canceled_at == math.inf:
        yield begin._replace(at=math.inf, outcome=NEVER)


def _canceled(begin: End) -> End:
    at, who = begin.cancels[0]
    return begin._replace(at=max(begin.at, at), outcome=("canceled", who), cancels=begin.cancels[1:])


def _cleaned(end: End, cleanup: End) -> End:
    """A cleanup's own failure or cancellation takes the place of what was."""
    canceled = end.outcome[0] == "canceled"
    if cleanup.good:
        return cleanup.then(end.outcome)
    if canceled and cleanup.outcome[0] == "canceled":
        raise Unsure("canceled in a cleanup after a cancel")
    return cleanup._replace(dirty=cleanup.dirty or canceled)


def _together(begin: End, parts: Iterable[End]) -> End:
    """Tasks that began together have all ended."""
    ended = tuple(parts)
    used = dict(begin.used)
    for part in ended:
        for name, count in part.used:
            used[name] = max(count, used.get(name, 0))
    return begin._replace(at=max(part.at for part in ended), used=frozenset(used.items()))


def _interrupted(end: End, since: float) -> Iterator[End]:
    """A race that is won waits for the losers' cleanup; a cancel may meet it there."""
    if not end.cancels or end.cancels[0][0] > end.at:
        if end.at < math.inf:
            yield end
        else:
            yield end.then(NEVER)
        return
    if end.cancels[0][0] < end.at:
        raise Unsure("canceled while losers clean up")
    assert since <= end.at
    yield end
    yield _canceled(end)


def _failures(parts: Iterable[End]) -> Outcome:
    return ("failed", f"group[{', '.join(sorted(part.outcome[1] for part in parts if part.failed))}]")
