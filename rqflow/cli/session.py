"""Session: what every command that talks to a hub shares: its options, the settings, an open client."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from rqflow.backend.opening import open_sync_backend
from rqflow.client.sync import Client
from rqflow.errors import BackendUnavailable
from rqflow.settings import DEFAULT_URL, Reading, Settings, read

F = TypeVar("F", bound=Callable[..., Any])

HELP: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 110}


@dataclass(frozen=True, slots=True)
class Session:
    """The settings that one command works with."""

    reading: Reading
    config: Path | None = None
    """The settings file that was named."""

    @property
    def settings(self) -> Settings:
        return self.reading.settings

    def adding(self, **options: Any) -> Session:
        """A session whose settings have more options of the command line over them."""
        values = click.get_current_context().find_root().obj or {}
        return Session(read({**_given(values), **options}, config=self.config), self.config)

    @contextmanager
    def client(self) -> Iterator[Client]:
        """An open client."""
        settings = self.settings
        with self.naming_address():
            backend = open_sync_backend(settings.url, settings.hub, allow_eviction=settings.allow_eviction)
            with closing(backend), Client(backend=backend) as client:
                yield client

    @contextmanager
    def naming_address(self) -> Iterator[None]:
        """An address that does not answer is told with where it came from."""
        try:
            yield
        except BackendUnavailable as error:
            raise BackendUnavailable(f"{error}\n{self._about_address()}") from error

    def _about_address(self) -> str:
        source = self.reading.sources["url"]
        if source == "default":
            return (
                f"No address was given, so {DEFAULT_URL} was tried: "
                "give --url or set RQFLOW_REDIS_URL, or start a private one with: rqflow dev MODULE"
            )
        return f"The address is from {source}."


def _given(values: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in values.items() if name in ("url", "hub") and value is not None}


def _remember(ctx: click.Context, param: click.Parameter, value: Any) -> Any:
    """Options may stand before the command or after it; the one after it counts."""
    shared = ctx.find_root().ensure_object(dict)
    if value is not None and param.name is not None:
        shared[param.name] = value
    return value


def address_options(command: F) -> F:
    """-u/--url, --hub and --config."""
    for option in (
        click.option("--config", type=click.Path(path_type=Path), callback=_remember, expose_value=False,
                     metavar="FILE", help="Settings file; else rqflow.toml or config/rqflow.toml here."),
        click.option("--hub", callback=_remember, expose_value=False, metavar="NAME", help="Namespace [default]."),
        click.option("-u", "--url", callback=_remember, expose_value=False, metavar="URL",
                     help="Redis to use; else RQFLOW_REDIS_URL, RQ_REDIS_URL, REDIS_URL, the settings file, "
                          "a running rqflow dev."),
    ):  # fmt: skip
        command = option(command)
    return command


def with_session(command: F) -> F:
    """Gives a command its Session as first argument, and the options that decide on it."""

    @functools.wraps(command)
    def run(*args: Any, **kwargs: Any) -> Any:
        values = click.get_current_context().find_root().ensure_object(dict)
        config = values.get("config")
        session = Session(read(_given(values), config=config), config)
        return command(session, *args, **kwargs)

    return address_options(run)  # type: ignore[return-value]


def json_option(command: F) -> F:
    """--json."""
    return click.option("--json", "as_json", is_flag=True, help="One JSON document, for scripts.")(command)


def import_from_here() -> None:
    """Modules are found from the working folder, as `python -m` finds them."""
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
