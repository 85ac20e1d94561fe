"""Scripts: the Lua files, read by their headers: parameters become named locals, shared parts are put in front.

A script is `lua/<name>.lua`. Its header is a contract:

    -- start: what it does in one step.
    -- ARGV  instance  string           what it is
    --       names     list             any number of strings
    --       commands  rows(kind,id)    any number of tables with these fields, all strings
    -- Returns what.
    -- @include inbox

Types: string, int, list, rows(…). KEYS is always the one key `meta` of the partition. A part is
`lua/parts/<name>.lua`; it fills a table of its own name (`function inbox.push(…)`), and may include others, both
ways. linking.py says which functions a script gets, and what `@later` means.

A script with the line `-- @many` carries out many calls in one go (see grouping.py): what stands before its body runs
once, and the body is run for each of them, so it must bring the state that its parts keep back to where it was.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from itertools import takewhile
from typing import Any, Final, TypeAlias

from rqflow.backend.redis.keys import lua_prologue, write_out
from rqflow.backend.redis.linking import Part, includes, link, take_apart

Argument: TypeAlias = bytes | str | int

_PARAMETER: Final = re.compile(r"^-- (?:ARGV )?\s+(\w+)\s+(string|int|list|rows\(([\w,]+)\))(?:\s|$)")
_CALL: Final = re.compile(r"\bredis\.call\(")
_MANY: Final = re.compile(r"^-- @many\s*$", re.MULTILINE)
LUA: Final = files("rqflow.backend.redis") / "lua"


@dataclass(frozen=True, slots=True)
class Parameter:
    """One line of a header's ARGV."""

    name: str
    type: str
    fields: tuple[str, ...] = ()
    """Of rows."""
    single: bool = True
    """Whether it is one argument."""


@dataclass(frozen=True, slots=True)
class Script:
    """A Lua script, ready to be sent."""

    name: str
    source: str
    sha: str
    parameters: tuple[Parameter, ...]
    many: bool = False
    """Whether it carries out many calls at once."""

    def pack(self, **arguments: Any) -> list[Argument]:
        """The arguments in the header's order, without empty lists at the end.

        Raises TypeError where the names are not the header's.
        """
        packed: list[Argument] = []
        empty = 0
        try:
            for parameter in self.parameters:
                value = arguments[parameter.name]
                if parameter.single:
                    packed.append(value)
                    empty = 0
                    continue
                packed.append(len(value))
                if not value:
                    empty += 1
                    continue
                empty = 0
                if parameter.fields:
                    for row in value:
                        _check_width(self.name, parameter, row)
                        packed += row
                else:
                    packed += value
        except KeyError:
            raise TypeError(f"{self.name}.lua needs {parameter.name}") from None
        if len(arguments) > len(self.parameters):
            strange = arguments.keys() - {parameter.name for parameter in self.parameters}
            raise TypeError(f"{self.name}.lua does not take {', '.join(strange)}")
        del packed[len(packed) - empty :]
        return packed


def _check_width(script: str, parameter: Parameter, row: Sequence[Argument]) -> None:
    if len(row) != len(parameter.fields):
        raise TypeError(f"{script}.lua: a row of {parameter.name} has {len(row)} fields, not {len(parameter.fields)}")


@cache
def load(name: str, cluster: bool = False, database: int = 0) -> Script:
    """The script of this name, with its parts and its prologue, for a database of a server; for a cluster with `steady`
    in front."""
    body = (LUA / f"{name}.lua").read_text(encoding="utf-8")
    parameters = tuple(_parameters(body))
    many = bool(_MANY.search(body))
    step, items = _prologue(parameters, many) + body, _part("items") if many else ""
    if many:
        step = f"local function item(argument)\n{step}end\n{items}"
    whole = (_part("steady") if cluster else "") + link(body + items, _parts(body + items)) + step
    source = lua_prologue() + _part("quick") + _CALL.sub("call(", write_out(whole, database))
    sha = hashlib.sha1(source.encode(), usedforsecurity=False).hexdigest()
    return Script(name=name, source=source, sha=sha, parameters=parameters, many=many)


def _part(name: str) -> str:
    return (LUA / "parts" / f"{name}.lua").read_text(encoding="utf-8")


def _parameters(body: str) -> Iterable[Parameter]:
    for line in takewhile(lambda line: line.startswith("--"), body.splitlines()):
        found = _PARAMETER.match(line)
        if found:
            name, type, fields = found.groups()
            single = type in ("string", "int")
            yield Parameter(name, "rows" if fields else type, tuple(fields.split(",")) if fields else (), single)


def _parts(body: str) -> dict[str, Part]:
    """The parts that `body` includes, and those that they include."""
    found: dict[str, Part] = {}
    wanted = includes(body)
    while wanted:
        name = wanted.pop(0)
        if name not in found:
            source = _part(name)
            found[name] = take_apart(name, source)
            wanted += includes(source)
    return found


def _prologue(parameters: Sequence[Parameter], many: bool) -> str:
    """Lua that turns ARGV into locals named as in the header.

    From the first list on the place of an argument depends on those before it: `argument` moves along. In a script of
    many calls it begins in front of the first argument of one, at their number. Empty lists at the end are not sent:
    all that are empty are one table, which no script changes.
    """
    lines = ["local last = argument + ARGV[argument]"] if many else ["local last = #ARGV"]
    lists = [parameter.name for parameter in parameters if not parameter.single]
    if lists:
        lines.append("local none = {}")
        lines.append(f"local {', '.join(lists)} = {', '.join('none' for _ in lists)}")
    ending = max((place for place, each in enumerate(parameters, 1) if each.single), default=0)
    moving = False
    for place, parameter in enumerate(parameters, 1):
        at = "ARGV[argument]" if moving else f"ARGV[argument + {place}]" if many else f"ARGV[{place}]"
        if not parameter.single and not moving:
            lines.append(f"argument = argument + {place}" if many else f"local argument = {place}")
            moving = True
        if place == ending + 1:
            lines.append("repeat")
        if not parameter.single and place > ending:
            lines.append("if argument > last then break end")
        match parameter.type:
            case "string":
                lines.append(f"local {parameter.name} = {at}")
            case "int":
                lines.append(f"local {parameter.name} = tonumber({at})")
            case _:
                lines += _list(parameter)
        if moving:
            lines.append("argument = argument + 1")
    if len(parameters) > ending:
        lines.append("until true")
    return "\n".join(lines) + "\n"


def _list(parameter: Parameter) -> list[str]:
    """Lua that reads one, and leaves `argument` at its last item."""
    count, fields = "ARGV[argument]", parameter.fields
    item, move = "ARGV[argument + i]", f"argument = argument + #{parameter.name}"
    if fields:
        item = "{ " + ", ".join(f"{field} = ARGV[argument + {n}]" for n, field in enumerate(fields, 1)) + " }"
        move = f"argument = argument + {len(fields)}"
    fill = f"{parameter.name}[i] = {item}"
    loop = [f"for i = 1, {count} do {fill} {move} end"] if fields else [f"for i = 1, {count} do {fill} end", move]
    return [f"if {count} ~= '0' then {parameter.name} = {{}}", *loop, "end"]
