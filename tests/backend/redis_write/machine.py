"""Machine: every call to a store, in any order, in memory and in Redis side by side, with the checker after each step.

The tests run a little of it; long_run.py runs it for as long as you like.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from typing import Any, ClassVar, Final, TypeVar

import redis
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant

from rqflow.backend.calls.call import Call
from rqflow.core.failure import Failure
from rqflow.core.wire import encode_failure
from tests.backend.redis_write.checked import Checked
from tests.backend.redis_write.clocked import Fault
from tests.backend.redis_write.twins import Twins

T = TypeVar("T")

BROKEN: Final = encode_failure(Failure(type="builtins.ValueError"))
LEASE: Final = timedelta(hours=1)
NAMES: Final = [f"i{number}" for number in range(5)]
CHILDREN: Final = [f"child{number}" for number in range(5)]
BUILDS: Final = ["b1", "b2"]

names = st.sampled_from(NAMES)
anyone = st.sampled_from([*NAMES, *CHILDREN, "nobody"])
places = st.integers(0, 50)
"""Which of those that there are."""
delays = st.sampled_from([0, 10]).map(lambda minutes: timedelta(minutes=minutes))
yes = st.booleans()
seldom = st.integers(0, 9).map(lambda number: number == 9)


F = TypeVar("F", bound=Callable[..., None])


def deed(weight: int = 1, **strategies: st.SearchStrategy[Any]) -> Callable[[F], F]:
    """Something that may happen, so much more often than others, with drawn arguments.

    Not rules of Hypothesis: those are switched off at random, and a life without workers, or starts, is a dull one.
    """

    def mark(function: F) -> F:
        function.deed = (weight, st.fixed_dictionaries(strategies))  # type: ignore[attr-defined]
        return function

    return mark


def deeds(*classes: type[Any]) -> st.SearchStrategy[tuple[str, dict[str, Any]]]:
    """Names and arguments of what may happen, as often as their weights say."""
    found = {name: member.deed for cls in classes for name, member in vars(cls).items() if hasattr(member, "deed")}
    names = [name for name, (weight, _) in found.items() for _ in range(weight)]
    return st.sampled_from(names).flatmap(lambda name: st.tuples(st.just(name), found[name][1]))


class Ground(RuleBasedStateMachine):
    """What the rules share."""

    server: ClassVar[redis.Redis]
    partitions: ClassVar[int] = 4
    fault: ClassVar[Fault | None] = None
    sent: ClassVar[dict[type[Call[Any]], int]]
    """Calls of each kind that were sent, over all runs."""
    steps: ClassVar[int] = 0

    def __init__(self) -> None:
        super().__init__()
        self.server.flushdb()
        self.twins = Twins(self.server, self.partitions, self.__class__.fault)
        self.check = Checked(self.twins.scripted)
        self.workers: dict[str, str] = {}
        """Those that may still be called, with their builds; some are dead and do not know it."""
        self.held: list[tuple[str, Any, Any]] = []
        """Worker and both stores' words for the same task: leased now, or once."""
        self.numbers = 0
        self.sound = True
        """Nothing was found wrong so far."""

    def number(self) -> int:
        """One that was never given before."""
        self.numbers += 1
        return self.numbers

    def at(self, instance: str) -> int:
        """The partition of an instance."""
        return self.twins.at(instance)

    def everywhere(self) -> range:
        """All partitions."""
        return self.twins.partitions

    @initialize(twice=yes)
    def travel(self, twice: bool) -> None:
        """Each call alone, or where it may be in a group, with itself: what is done twice is done once."""
        self.twins.scripted.twice = twice

    @invariant()
    def both_know_the_same(self) -> None:
        """And nothing is wrong with the one in Redis."""
        type(self).steps += 1
        self.twins.compare()
        report = self.check.report()
        assert report.violations == (), report.violations
        waiting = any(partition.outbox for partition in self.twins.memory._partitions)
        assert waiting or report.undecided == 0, report
        self.sound = True

    def do(self, deed: tuple[str, dict[str, Any]]) -> None:
        """One of them."""
        name, arguments = deed
        self.sound = False
        getattr(self, name)(**arguments)

    def teardown(self) -> None:
        for kind, count in self.twins.sent.items():
            self.sent[kind] = self.sent.get(kind, 0) + count
        with closing(self.check):
            if self.sound:
                self.end()

    def end(self) -> None:
        """What comes last."""


def pick(among: list[T], place: int) -> T:
    """One of them."""
    return among[place % len(among)]
