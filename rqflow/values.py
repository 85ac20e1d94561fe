"""Values: the dataclass of what the engine makes by the thousand: frozen to type checkers, plain at run time.

A frozen dataclass sets each of its fields through `object.__setattr__`, and so takes three times as long to build; a
workflow with one activity passes through about forty of them. Events, commands, calls and tasks are ours alone, and
mypy holds that nobody changes them; what the code of workflows and activities is handed is frozen in earnest.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

__all__ = ["dataclass"]

T = TypeVar("T")

if TYPE_CHECKING:
    from dataclasses import dataclass
else:

    def dataclass(*, frozen: bool, slots: bool, kw_only: bool = False) -> Callable[[type[T]], type[T]]:
        """As `dataclasses.dataclass`, without the guard. Equality and hash go by the fields, as there."""
        assert frozen, "a value is frozen"
        return dataclasses.dataclass(unsafe_hash=True, slots=slots, kw_only=kw_only)
