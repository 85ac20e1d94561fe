"""Exits: the code that a command ends with, for each kind of error."""

from __future__ import annotations

from typing import Any, Final

import click

from rqflow.cli.screen import printable
from rqflow.errors import (
    BackendError,
    BadInput,
    Conflict,
    LeaseLost,
    LimitReached,
    NotFound,
    OutcomeError,
    ResultTimeout,
    RqflowError,
)

OK: Final = 0
FAILED: Final = 1
"""The instance did not complete, or the answer is no."""
USAGE: Final = 2
"""The command line, a value, a file or a module is wrong."""
NOT_FOUND: Final = 3
CONFLICT: Final = 4
"""It exists, but its state or a limit forbids this."""
UNAVAILABLE: Final = 5
"""Redis does not answer, or refuses."""
TIMEOUT: Final = 6
"""The wait ended; what was waited for goes on."""
INTERRUPTED: Final = 130
"""Ctrl-C."""

_CODES: Final[tuple[tuple[type[RqflowError], int], ...]] = (
    (ResultTimeout, TIMEOUT),
    (BackendError, UNAVAILABLE),
    (NotFound, NOT_FOUND),
    (Conflict, CONFLICT),
    (LimitReached, CONFLICT),
    (LeaseLost, CONFLICT),
    (BadInput, USAGE),
    (OutcomeError, FAILED),
)


def code_of(error: RqflowError) -> int:
    """The exit code for an error."""
    return next((code for kind, code in _CODES if isinstance(error, kind)), FAILED)


class Refusal(click.ClickException):
    """An error of ours on its way to the user: one message on stderr, and the right exit code."""

    def __init__(self, error: RqflowError) -> None:
        super().__init__(printable(str(error), newlines=True))
        self.exit_code = code_of(error)  # type: ignore[misc]

    def show(self, file: Any = None) -> None:
        click.echo(f"rqflow: {self.message}", file=file, err=file is None)


class Commands(click.Group):
    """A group whose commands may raise our errors, and end quietly at Ctrl-C."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except RqflowError as error:
            raise Refusal(error) from error
        except KeyboardInterrupt:
            click.echo(err=True)
            return ctx.exit(INTERRUPTED)
