"""Book: what clients asked for and what they were told, kept outside of Redis, so that a promise can be held to it."""

from __future__ import annotations

import time
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

from rqflow.errors import (
    BackendError,
    BackendRefused,
    InstanceClosed,
    InstanceNotFound,
    OutcomeError,
    ResultTimeout,
    UpdateFailed,
)

Answer: TypeAlias = Literal["accepted", "unknown", "refused", "closed"]
"""Accepted: it is there. Unknown: it may be. Refused: it is not. Closed: the instance had ended, or never was."""


@dataclass
class Told:
    """One order to an instance, and what its sender was told."""

    verb: str
    value: Any
    answer: Answer


@dataclass
class Page:
    """All that clients know of one instance."""

    id: str
    workflow: str
    args: tuple[Any, ...] = ()
    began: float = field(default_factory=time.monotonic)
    start: Answer = "closed"
    """Closed: nothing was sent yet."""
    run: str = ""
    retention: float | None = None
    """Seconds; None: until the end of the play."""
    told: list[Told] = field(default_factory=list)
    winners: set[str] = field(default_factory=set)
    """Runs of those who wanted the id for themselves, and were told that they have it."""
    ordered: bool = True
    """Each signal was sent when the answer to the one before was there."""
    totals: list[tuple[int, int]] = field(default_factory=list)
    """Answers to queries, each with the number of orders that were given before it."""
    results: list[Any] = field(default_factory=list)
    """What clients were given as the result."""
    outcomes: set[str] = field(default_factory=set)
    """Names of the errors that they were given instead."""

    async def order(self, verb: str, value: Any, doing: Awaitable[Any]) -> Answer:
        """Give an order and write down what is said. An update's answer becomes part of its value."""
        answer: Answer = "accepted"
        self.told.append(told := Told(verb, value, "unknown"))  # should we be canceled
        try:
            said = await doing
            if verb == "add":
                told.value = (value, said)
        except (InstanceClosed, InstanceNotFound):
            answer = "closed"
        except BackendRefused:
            answer = "refused"
        except (BackendError, TimeoutError, UpdateFailed):
            answer = "unknown"
        told.answer = answer
        return answer

    async def await_result(self, doing: Awaitable[Any]) -> bool:
        """Wait for it, and write down what is seen; False if it was not to be seen in time."""
        try:
            result = await doing
        except OutcomeError as error:
            self.outcomes.add(type(error).__name__)
        except (BackendError, ResultTimeout, InstanceNotFound):
            return False
        else:
            self.results.append(result)
        return True

    def those(self, verb: str, *answers: Answer) -> list[Any]:
        """Values of the orders that were answered so."""
        return [told.value for told in self.told if told.verb == verb and told.answer in answers]

    def asked(self, verb: str) -> bool:
        """Whether such an order may have arrived."""
        return bool(self.those(verb, "accepted", "unknown"))


class Book:
    """All pages."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.results = 0
        """Seen so far: how the villain sees that life goes on."""
        self.waits: list[float] = []
        """From start to result, in seconds."""

    def open(self, id: str, workflow: str, args: tuple[Any, ...], retention: float | None = None) -> Page:
        """A new page, before anything is sent."""
        assert id not in self.pages
        page = self.pages[id] = Page(id, workflow, args, retention=retention)
        return page

    def seen(self, page: Page) -> None:
        """A client got what it waited for."""
        self.results += 1
        self.waits.append(time.monotonic() - page.began)

    def count(self, *answers: Answer) -> int:
        """Starts that were answered so."""
        return sum(page.start in answers for page in self.pages.values())
