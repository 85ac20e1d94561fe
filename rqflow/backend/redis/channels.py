"""Channels: who listens to which pub/sub channel, and what must be said to Redis about it. No I/O, no clock."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, Generic, Protocol, TypeVar

from rqflow.backend.redis.resp import RedisCommand
from rqflow.errors import BackendUnavailable

AT_ONCE: Final = 500
"""Channels of one SUBSCRIBE command when all are asked for again."""
PART_AT: Final = 100
"""So many channels without listeners are unsubscribed from, together."""


class Listener(Protocol):
    """One who waits: asyncio and threads each have their own kind."""

    def notice(self, message: Any) -> None:
        """Something may have happened; `message` may tell what, see notices.py."""
        ...

    def confirm(self) -> None:
        """Redis tells from now on."""
        ...

    def give_up(self, error: BackendUnavailable) -> None:
        """Redis cannot be reached, so nothing was ever confirmed."""
        ...


L = TypeVar("L", bound=Listener)


@dataclass(slots=True, eq=False)
class _Channel(Generic[L]):
    """One name, from its first listener to its last."""

    name: str
    listeners: set[L] = field(default_factory=set)
    confirmed: bool = False
    gap: bool = False
    """It was confirmed once, and the connection broke: something may have been missed."""


class Channels(Generic[L]):
    """All channels of one connection; whoever changes them sends what they hand out, in that order.

    A channel that nobody listens to any more is unsubscribed from later, together with others: a round trip each would
    cost more than all that may still come on it, and whoever enters it again meanwhile need not wait.
    """

    def __init__(self) -> None:
        self._channels: dict[str, _Channel[L]] = {}
        self._left: set[str] = set()
        """Names of channels without listeners."""
        self._asked: deque[_Channel[L]] = deque()
        """SUBSCRIBEs that were sent and not confirmed, in order: a name may come, go and come again meanwhile."""

    def __len__(self) -> int:
        """How many have listeners."""
        return len(self._channels) - len(self._left)

    def enter(self, name: str, listener: L) -> RedisCommand | None:
        """Add a listener. What to send, None if the channel is there already."""
        channel = self._channels.get(name)
        if channel is not None:
            self._left.discard(name)
            channel.listeners.add(listener)
            if channel.confirmed:
                listener.confirm()
            return None
        channel = self._channels[name] = _Channel(name, {listener})
        self._asked.append(channel)
        return ("SUBSCRIBE", name)

    def leave(self, name: str, listener: L) -> RedisCommand | None:
        """Remove a listener. What to send when many channels have none any more."""
        channel = self._channels.get(name)
        if channel is None or listener not in channel.listeners:
            return None
        channel.listeners.remove(listener)
        if not channel.listeners:
            self._left.add(name)
        return self.part() if len(self._left) >= PART_AT else None

    def part(self) -> RedisCommand | None:
        """What to send so that nothing is told any more on channels without listeners."""
        names, self._left = self._left, set()
        for name in names:
            del self._channels[name]
        return ("UNSUBSCRIBE", *names) if names else None

    def heard(self, reply: Any) -> None:
        """A message or a confirmation from Redis; all else (PONG, UNSUBSCRIBE) tells nothing."""
        match reply:
            case [b"message", bytes(name), message]:
                channel = self._channels.get(name.decode())
                if channel is not None:
                    _notice(channel, message)
            case [b"subscribe", *_] if self._asked:
                self._confirm(self._asked.popleft())

    def _confirm(self, channel: _Channel[L]) -> None:
        channel.confirmed = True
        for listener in tuple(channel.listeners):
            listener.confirm()
        if channel.gap:
            channel.gap = False
            _notice(channel, b"")

    def again(self) -> Iterator[RedisCommand]:
        """What to send on a new connection."""
        self.part()
        self._asked.clear()
        for channel in self._channels.values():
            channel.gap = channel.gap or channel.confirmed
            channel.confirmed = False
            self._asked.append(channel)
        names = list(self._channels)
        for start in range(0, len(names), AT_ONCE):
            yield ("SUBSCRIBE", *names[start : start + AT_ONCE])

    def give_up(self, error: BackendUnavailable) -> None:
        """No connection can be made: those who were never confirmed are told so."""
        for channel in tuple(self._channels.values()):
            for listener in tuple(channel.listeners):
                listener.give_up(error)


def _notice(channel: _Channel[L], message: Any) -> None:
    for listener in tuple(channel.listeners):
        listener.notice(message)
