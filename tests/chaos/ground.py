"""Ground: what chaos needs of the servers it is played on: how they are reached, and what can be done to them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from random import Random
from typing import Final, Protocol

HUB: Final = "chaos"


@dataclass(frozen=True)
class Deed:
    """Something that a villain does, and takes back before it returns. It is never broken off."""

    name: str
    do: Callable[[Random], Awaitable[None]]
    weight: int = 10


class Ground(Protocol):
    """Servers, and the roads to them."""

    def start(self) -> None:
        """Until they answer."""

    def stop(self) -> None:
        """Whatever state they are in."""

    @property
    def url(self) -> str:
        """The straight road: for those who look after the hub and check it."""

    @property
    def masters(self) -> Sequence[str]:
        """Plain URLs of all servers that hold keys now."""

    @property
    def durability(self) -> str:
        """Of the hub: what makes accepted orders outlive what is done here."""

    @property
    def fails_over(self) -> bool:
        """Whether masters are replaced: then what clients have only read may be undone."""

    @property
    def roads(self) -> Sequence[str]:
        """URLs by which workers and clients come, one as good as another; the villain may spoil some."""

    @property
    def deeds(self) -> Sequence[Deed]:
        """What can be done to servers and roads."""
