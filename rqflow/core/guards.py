"""Guards: every event loop method that replay cannot repeat, each an error that says what to do instead."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final, NoReturn

from rqflow.errors import NotDeterministic

_EAGER_FACTORY: Final = getattr(asyncio, "eager_task_factory", None)
"""New in Python 3.12."""

_THREADS: Final = "threads run in an order that replay cannot repeat"
_NETWORK: Final = "the network answers differently at each replay"
_PROCESSES: Final = "a process runs again at each replay"
_SIGNALS: Final = "process signals are not part of a run's history"
_RUNNING: Final = "a run's loop is stepped by its executor alone"

GUARDED: Final[dict[str, tuple[str, str]]] = {
    "run_in_executor": ("run_in_executor (asyncio.to_thread)", _THREADS),
    "call_soon_threadsafe": ("call_soon_threadsafe (asyncio.run_coroutine_threadsafe)", _THREADS),
    "set_default_executor": ("set_default_executor", _THREADS),
    "shutdown_default_executor": ("shutdown_default_executor", _THREADS),
    "create_connection": ("create_connection (asyncio.open_connection)", _NETWORK),
    "create_server": ("create_server (asyncio.start_server)", _NETWORK),
    "create_unix_connection": ("create_unix_connection (asyncio.open_unix_connection)", _NETWORK),
    "create_unix_server": ("create_unix_server (asyncio.start_unix_server)", _NETWORK),
    "create_datagram_endpoint": ("create_datagram_endpoint", _NETWORK),
    "connect_accepted_socket": ("connect_accepted_socket", _NETWORK),
    "start_tls": ("start_tls", _NETWORK),
    "sendfile": ("sendfile", _NETWORK),
    "getaddrinfo": ("getaddrinfo", _NETWORK),
    "getnameinfo": ("getnameinfo", _NETWORK),
    "sock_recv": ("sock_recv", _NETWORK),
    "sock_recv_into": ("sock_recv_into", _NETWORK),
    "sock_recvfrom": ("sock_recvfrom", _NETWORK),
    "sock_recvfrom_into": ("sock_recvfrom_into", _NETWORK),
    "sock_sendall": ("sock_sendall", _NETWORK),
    "sock_sendto": ("sock_sendto", _NETWORK),
    "sock_connect": ("sock_connect", _NETWORK),
    "sock_accept": ("sock_accept", _NETWORK),
    "sock_sendfile": ("sock_sendfile", _NETWORK),
    "add_reader": ("add_reader", _NETWORK),
    "remove_reader": ("remove_reader", _NETWORK),
    "add_writer": ("add_writer", _NETWORK),
    "remove_writer": ("remove_writer", _NETWORK),
    "connect_read_pipe": ("connect_read_pipe", _PROCESSES),
    "connect_write_pipe": ("connect_write_pipe", _PROCESSES),
    "subprocess_exec": ("subprocess_exec (asyncio.create_subprocess_exec)", _PROCESSES),
    "subprocess_shell": ("subprocess_shell (asyncio.create_subprocess_shell)", _PROCESSES),
    "add_signal_handler": ("add_signal_handler", _SIGNALS),
    "remove_signal_handler": ("remove_signal_handler", _SIGNALS),
    "run_forever": ("run_forever", _RUNNING),
    "run_until_complete": ("run_until_complete (asyncio.run)", _RUNNING),
    "stop": ("stop", _RUNNING),
    "close": ("close", _RUNNING),
    "shutdown_asyncgens": ("shutdown_asyncgens", _RUNNING),
    "set_exception_handler": ("set_exception_handler", _RUNNING),
    "default_exception_handler": ("default_exception_handler", _RUNNING),
}
"""Method → how users know it, and why it cannot be."""


def _guard(shown: str, why: str) -> Callable[..., NoReturn]:
    def refuse(*_: Any, **__: Any) -> NoReturn:
        raise NotDeterministic(f"{shown} cannot be used in a workflow: {why}; put this in an activity")

    return refuse


class GuardedLoop(asyncio.AbstractEventLoop):
    """An event loop that refuses all that replay cannot repeat; what remains is RunLoop's."""

    eager = False
    """Whether tasks run up to their first await when they are made."""

    def set_task_factory(self, factory: Any) -> None:
        """Only None and asyncio.eager_task_factory. Raises NotDeterministic for others."""
        if factory is not None and factory is not _EAGER_FACTORY:
            raise NotDeterministic(
                "set_task_factory in a workflow takes only None or asyncio.eager_task_factory: "
                "tasks of other classes have no order that replay can repeat"
            )
        self.eager = factory is not None

    def get_task_factory(self) -> Any:
        return _EAGER_FACTORY if self.eager else None

    def get_debug(self) -> bool:
        return False

    def set_debug(self, enabled: bool) -> None:
        """Ignored: debug mode measures real time."""

    def get_exception_handler(self) -> None:
        return None

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """Ignored: what asyncio reports when it collects objects comes at times that replay cannot repeat (lost.py
        finds the exceptions of forgotten tasks in time)."""


for _name, (_shown, _why) in GUARDED.items():
    setattr(GuardedLoop, _name, _guard(_shown, _why))
