"""Linking: which functions of which parts go into a script, and when they are made.

Redis runs a script from its top each time, so each function in it is made anew by each run, wanted or not; that can
cost more than the work itself. So a script gets only functions that it can reach. Those of the parts that its header
includes are made at once; others (the ends of instances, families, and what else is rare: `@later`, and what parts
include) when something in their part is first asked for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

_INCLUDE: Final = re.compile(r"^-- @include (\w+)\s*$", re.MULTILINE)
_LATER: Final = re.compile(r"^-- @later (\w+)\s*$", re.MULTILINE)
_USE: Final = re.compile(r"\b([a-z_]+)(?:\.([a-z_]+)\b|\[)")
_NAMED: Final = re.compile(r"function ([a-z_]+)\.([a-z_]+)\(")

_ON_DEMAND: Final = """\
do
  local makers
  local on_demand = { __index = function(part, name)
    if not makers then
      makers = {}
      later(makers)
    end
    local make = makers[part]
    if make then
      makers[part] = nil
      make()
    end
    return rawget(part, name)
  end }
"""


@dataclass(frozen=True, slots=True)
class Part:
    """A file of `lua/parts`, taken apart."""

    name: str
    functions: Mapping[str, str]
    """Those of its table, by name."""
    rest: str
    """Locals, local functions and what else is to be run first."""

    @property
    def whole(self) -> bool:
        """Its functions share locals, and stay together."""
        return "local " in re.sub(r"^[ \t].*$", "", self.rest, flags=re.MULTILINE)


@dataclass(slots=True)
class _Reach:
    """What is reached from a script."""

    functions: dict[tuple[str, str], None] = field(default_factory=dict)
    parts: dict[str, None] = field(default_factory=dict)

    def follow(self, source: str, parts: Mapping[str, Part], among: frozenset[str]) -> None:
        """Add what `source` uses of the parts `among`, and what that uses."""
        for part_name, name in _USE.findall(source):
            part = parts.get(part_name)
            if part is None or part_name not in among:
                continue
            if part_name not in self.parts:
                self.parts[part_name] = None
                self.follow(part.rest, parts, among)
            for one in part.functions if part.whole or not name else (name,):
                if one in part.functions and (part_name, one) not in self.functions:
                    self.functions[part_name, one] = None
                    self.follow(part.functions[one], parts, among)


def includes(source: str) -> list[str]:
    """The parts that a script or a part names in its header."""
    return _INCLUDE.findall(source) + _LATER.findall(source)


def take_apart(name: str, source: str) -> Part:
    """A part's functions, one by one. They begin and end in the first column."""
    functions: dict[str, str] = {}
    rest: list[str] = []
    lines = iter(source.splitlines(keepends=True))
    for line in lines:
        if line.startswith("--"):
            continue
        named = _NAMED.match(line)
        block = [line]
        if named and not line.rstrip().endswith(" end"):
            while block[-1].rstrip("\n") != "end":
                block.append(next(lines))
        if named and named[1] == name:
            functions[named[2]] = "".join(block)
        else:
            rest += block
    return Part(name, functions, "".join(rest))


def link(body: str, parts: Mapping[str, Part]) -> str:
    """Lua to put in front of a script: the tables of all parts that it reaches, and their functions."""
    everything = frozenset(parts)
    now, ever = _Reach(), _Reach()
    now.follow(body, parts, frozenset(_INCLUDE.findall(body)))
    ever.follow(body, parts, everything)
    if not ever.parts:
        return ""
    source = [f"local {', '.join(ever.parts)} = {', '.join('{}' for _ in ever.parts)}\n"]
    source += [_part(parts[name], now) for name in now.parts]
    makers = {name: made for name in ever.parts if (made := _part(parts[name], ever, but=now))}
    if makers:
        source.append("local function later(makers)\n")
        source += [f"makers[{name}] = function()\n{made}end\n" for name, made in makers.items()]
        source += ["end\n", _ON_DEMAND, *(f"  setmetatable({name}, on_demand)\n" for name in makers), "end\n"]
    return "".join(source)


def _part(part: Part, reach: _Reach, but: _Reach | None = None) -> str:
    """What is reached of a part, but for what is there already."""
    rest = "" if but and part.name in but.parts else part.rest.strip("\n")
    functions = [
        part.functions[name]
        for of, name in reach.functions
        if of == part.name and not (but and (of, name) in but.functions)
    ]
    made = (rest + "\n" if rest else "") + "".join(functions)
    return f"do\n{made}end\n" if made else ""
