"""Agenda: everything of a partition that happens at a time, earliest first."""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

SLACK: Final = 64
"""So many outdated entries the heap may hold beyond as many as there are items."""

Occasion: TypeAlias = Literal["timer", "retry", "queued", "total", "start", "wait", "deadline", "retention"]


@dataclass(frozen=True, slots=True, order=True)
class Item:
    """What is due, and for whom."""

    occasion: Occasion
    instance: str
    run: str
    id: int = 0

    @property
    def member(self) -> str:
        """As Redis orders what is due at one moment."""
        return f"{self.occasion} {self.id} {self.run} {self.instance}"


@dataclass(slots=True)
class Agenda:
    """A set of items, each with a time that can be changed or taken back."""

    times: dict[Item, int] = field(default_factory=dict)
    """When."""
    heap: list[tuple[int, str, Item]] = field(default_factory=list)
    """May hold items that were moved or taken back: only those that agree with `times` count."""

    def put(self, item: Item, at_ms: int) -> None:
        """The item is due at this time, and at no other."""
        self.times[item] = at_ms
        heapq.heappush(self.heap, (at_ms, item.member, item))
        if len(self.heap) > 2 * len(self.times) + SLACK:
            self.heap = [(at, known.member, known) for known, at in self.times.items()]
            heapq.heapify(self.heap)

    def drop(self, item: Item) -> None:
        """Never mind that item."""
        self.times.pop(item, None)

    def next_ms(self) -> int | None:
        """When the earliest item is due."""
        while self.heap:
            at_ms, _, item = self.heap[0]
            if self.times.get(item) == at_ms:
                return at_ms
            heapq.heappop(self.heap)
        return None

    def pop(self, now_ms: int) -> Item | None:
        """Take out the earliest item that is due by now."""
        at_ms = self.next_ms()
        if at_ms is None or at_ms > now_ms:
            return None
        item = heapq.heappop(self.heap)[2]
        del self.times[item]
        return item

    def overdue(self, now_ms: int) -> int:
        """How many items are due by now."""
        return sum(at_ms <= now_ms for at_ms in self.times.values())
