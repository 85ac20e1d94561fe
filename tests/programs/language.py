"""Language: what a random program is made of: small frozen values, and their form as JSON.

Times are whole units. Each node that gives a value or raises has a `tag` of its own, so that a value that went to the
wrong place is seen. `Hear.name` says which signals a node takes; `marked` sets both.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any, Literal, TypeAlias, get_args


@dataclass(frozen=True)
class Step:
    """An activity: it fails so often, and is tried so often, `delay` units after each failure. Gives its tag.

    A local one is tried again at once: its worker's waits are not on the clock that the world moves."""

    failures: int = 0
    attempts: int = 1
    delay: int = 1
    thread: bool = False
    local: Literal["", "local", "durable"] = ""
    tag: int = 0


@dataclass(frozen=True)
class Nap:
    """A timer: of asyncio, or a named one of ours. Gives its tag."""

    units: int
    named: bool = False
    tag: int = 0


@dataclass(frozen=True)
class Hear:
    """The next signal of a name. Gives its value."""

    name: str = ""


@dataclass(frozen=True)
class Count:
    """Wait until so many updates, or signals that a handler takes, have come in all runs so far. Gives its tag."""

    what: Literal["updates", "handled"]
    least: int
    tag: int = 0


@dataclass(frozen=True)
class Draw:
    """Something that must be drawn once and found again at replay, seen by an activity. Gives whether it was."""

    what: Literal["effect", "random", "uuid", "now"]


@dataclass(frozen=True)
class Note:
    """Something shown to others: a status, an attribute, an event. Gives its tag."""

    what: Literal["status", "attribute", "event"]
    tag: int = 0


@dataclass(frozen=True)
class Oops:
    """Raises."""

    tag: int = 0


@dataclass(frozen=True)
class Echo:
    """A signal to oneself, heard. Gives its tag."""

    tag: int = 0


@dataclass(frozen=True)
class Nowhere:
    """A signal to an instance that does not exist: fails."""


@dataclass(frozen=True)
class Child:
    """A child workflow, awaited: called, or by its handle: then it may be signaled, and canceled after a while."""

    body: Node
    signals: int = 0
    cancel_after: int = -1
    handle: bool = False


@dataclass(frozen=True)
class Leave:
    """A child workflow, started and left to itself. Gives its tag once it has begun."""

    body: Node
    policy: Literal["abandon", "cancel", "terminate"] = "terminate"
    tag: int = 0


@dataclass(frozen=True)
class Seq:
    """One after the other. Gives all values."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Gather:
    """asyncio.gather. Gives all values; with `collect` failures too. Without it, what is left goes on unseen."""

    parts: tuple[Node, ...]
    collect: bool = False


@dataclass(frozen=True)
class Group:
    """A TaskGroup: the first failure cancels the others. Gives all values."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Race:
    """The first that ends wins, the others are canceled and cleaned up when it is over. Gives who won, and what."""

    parts: tuple[Node, ...]


@dataclass(frozen=True)
class Within:
    """asyncio.timeout. Gives the body's value, or raises TimeoutError."""

    units: int
    body: Node


@dataclass(frozen=True)
class Try:
    """try; except Exception, if there is a rescue; finally, if there is a cleanup. Gives whether rescued, and what."""

    body: Node
    rescue: Node | None = None
    cleanup: Node | None = None


@dataclass(frozen=True)
class Shield:
    """asyncio.shield: canceled, the wait ends and the body goes on unseen. Gives its value."""

    body: Node


Node: TypeAlias = (
    Step
    | Nap
    | Hear
    | Count
    | Draw
    | Note
    | Oops
    | Echo
    | Nowhere
    | Child
    | Leave
    | Seq
    | Gather
    | Group
    | Race
    | Within
    | Try
    | Shield
)


@dataclass(frozen=True)
class Send:
    """What a client does to the instance, so many units after its start."""

    at: int
    what: Literal["signal", "handled", "update", "cancel"]
    name: str = ""
    """Of the signal."""


@dataclass(frozen=True)
class Program:
    """The bodies of one run after the other (continue-as-new between them), and what clients do meanwhile, in order."""

    runs: tuple[Node, ...]
    sends: tuple[Send, ...] = ()


_KINDS: dict[str, type[Any]] = {cls.__name__: cls for cls in (*get_args(Node), Send, Program)}


def to_json(value: Any) -> Any:
    """Plain JSON values."""
    if isinstance(value, tuple):
        return [to_json(each) for each in value]
    if type(value).__name__ in _KINDS:
        return {
            "is": type(value).__name__,
            **{field.name: to_json(getattr(value, field.name)) for field in fields(value)},
        }
    return value


def from_json(value: Any) -> Any:
    """What `to_json` was given."""
    if isinstance(value, list):
        return tuple(map(from_json, value))
    if isinstance(value, dict):
        return _KINDS[value["is"]](**{name: from_json(each) for name, each in value.items() if name != "is"})
    return value


def parts_of(node: Node) -> tuple[Node, ...]:
    """The nodes right inside of one."""
    match node:
        case Seq() | Gather() | Group() | Race():
            return node.parts
        case Child() | Leave() | Within() | Shield():
            return (node.body,)
        case Try():
            return tuple(each for each in (node.body, node.rescue, node.cleanup) if each is not None)
        case _:
            return ()


def walk(node: Node) -> Iterator[Node]:
    """A node and all inside of it."""
    yield node
    for part in parts_of(node):
        yield from walk(part)


def marked(program: Program) -> Program:
    """The program with a tag for each node, and a name for what each Hear listens to.

    Two nodes share a name only if one follows the other whatever happens: then it is certain who hears what. The names
    are `""` for the trunk, else the place of the branch; a client sends to the trunk and to a few branches.
    """
    marker = _Marker()
    return replace(program, runs=tuple(marker.mark(each, "") for each in program.runs))


class _Marker:
    def __init__(self) -> None:
        self._tags = 0
        self._branches = 0

    def mark(self, node: Any, name: str) -> Any:
        self._tags += 1
        if isinstance(node, Hear):
            return replace(node, name=name)
        if hasattr(node, "tag"):
            node = replace(node, tag=self._tags)
        match node:
            case Seq():
                return replace(node, parts=tuple(self.mark(each, name) for each in node.parts))
            case Group() | Race():
                first, *rest = node.parts
                return replace(
                    node, parts=(self.mark(first, name), *(self.mark(each, self._branch()) for each in rest))
                )
            case Gather(collect=True):
                first, *rest = node.parts
                return replace(
                    node, parts=(self.mark(first, name), *(self.mark(each, self._branch()) for each in rest))
                )
            case Gather():
                return replace(node, parts=tuple(self.mark(each, self._branch()) for each in node.parts))
            case Child() | Leave():
                return replace(node, body=self.mark(node.body, ""))
            case Within():
                return replace(node, body=self.mark(node.body, name))
            case Shield():
                return replace(node, body=self.mark(node.body, self._branch()))
            case Try():
                rescue = None if node.rescue is None else self.mark(node.rescue, name)
                cleanup = None if node.cleanup is None else self.mark(node.cleanup, name)
                return replace(node, body=self.mark(node.body, name), rescue=rescue, cleanup=cleanup)
            case _:
                return node

    def _branch(self) -> str:
        self._branches += 1
        return f"branch-{self._branches}"
