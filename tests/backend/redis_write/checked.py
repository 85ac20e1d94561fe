"""Checked: what the checker says of a hub that tests made by hand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from datetime import timedelta
from typing import Any

from rqflow.backend.redis.address import Address, Endpoint, parse_address
from rqflow.backend.redis.hubs import create_hub
from rqflow.backend.redis.resp import RedisCommand
from rqflow.backend.redis.scripts import load
from rqflow.backend.redis.servers import BlockingServers
from rqflow.backend.redis.sockets import Timeouts
from rqflow.backend.redis.verify.check import Report, check_hub
from rqflow.backend.redis.verify.violations import Violation
from tests.backend.redis_write.scripted import Scripted


class Servers(BlockingServers):
    """Something may happen between two looks."""

    def __init__(self, address: Address) -> None:
        super().__init__(address, Timeouts())
        self.between: Callable[[RedisCommand], Any] = lambda command: None
        """Called before each command; what is not None is the reply."""

    def request(self, endpoint: Endpoint, commands: Sequence[RedisCommand], apart: bool = False) -> list[Any]:
        replies = [self.between(command) for command in commands]
        return replies if any(replies) else super().request(endpoint, commands, apart)


def looks_at(command: RedisCommand, script: str) -> bool:
    """Whether a command is this look."""
    return command[0] == "EVAL" and command[1] == load(script).source


class Checked:
    """A hub with its record, and a connection for the checker."""

    def __init__(self, store: Scripted) -> None:
        self.store = store
        settings = store.redis.connection_pool.connection_kwargs
        path = settings.get("path")
        url = f"unix://{path}" if path else f"redis://{settings['host']}:{settings['port']}"
        self.servers = Servers(parse_address(url))
        self.told: list[int] = []
        """Instances looked at, as the check told."""
        info = store.place.hub
        self.servers.drive(create_hub(self.servers.routes, info.name, info.partitions, info.retention))

    def report(self) -> Report:
        """All that is found."""
        return check_hub(self.servers, self.store.place.hub, progress=self._tell, patience=timedelta(0))

    def _tell(self, done: int, of: int) -> None:
        assert done <= of
        self.told.append(done)

    def violations(self) -> tuple[Violation, ...]:
        """What is wrong; nothing was left undecided."""
        report = self.report()
        assert report.undecided == 0
        assert report.found == len(report.violations)
        return report.violations

    def words(self) -> set[str]:
        """The kinds of what is wrong."""
        return {violation.word for violation in self.violations()}

    def close(self) -> None:
        self.servers.close()


def checked(store: Scripted) -> closing[Checked]:
    """A context manager."""
    return closing(Checked(store))
