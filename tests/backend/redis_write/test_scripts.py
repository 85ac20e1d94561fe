"""Scripts: every Lua file keeps its contract, and the loader says clearly what is wrong with a caller."""

from __future__ import annotations

import inspect
import json
import pkgutil
import re
from importlib import import_module
from pathlib import Path
from typing import cast

import pytest
import redis

from rqflow.backend import calls as calls_package
from rqflow.backend.calls.call import Call
from rqflow.backend.redis import scripts
from rqflow.backend.redis.keys import CHANNELS, TEMPLATES, channel, key, suffix, write_out
from rqflow.backend.redis.linking import includes, link, take_apart
from rqflow.backend.redis.rows import EVENT, INSTANCE, WORKER
from rqflow.backend.redis.scripts import Parameter, Script, _prologue, load
from rqflow.backend.redis.translate import TRANSLATORS
from tests.backend.redis_write.scripted import Scripted

LUA = Path(str(scripts.LUA))
SCRIPTS = sorted(path.stem for path in LUA.glob("*.lua"))
PARTS = sorted(path.stem for path in (LUA / "parts").glob("*.lua"))


@pytest.mark.parametrize("name", SCRIPTS)
def test_a_script_is_one_step_with_a_header(name: str) -> None:
    """Its first line is a caption, and the header says what it takes and returns."""
    lines = (LUA / f"{name}.lua").read_text().splitlines()
    header = [line for line in lines if line.startswith("--")]
    assert lines[0].startswith(f"-- {name}: ")
    assert any(line.startswith("-- Returns ") for line in header)
    assert len(lines) < 80


@pytest.mark.parametrize("name", PARTS)
def test_a_part_fills_its_own_table(name: str) -> None:
    """It is small, has a caption, and all functions that others see are in the table of its name."""
    lines = (LUA / "parts" / f"{name}.lua").read_text().splitlines()
    assert any(line.startswith(f"-- {name}: ") for line in lines)
    assert len(lines) < 80
    for line in lines:
        seen = re.match(r"function (\w+)\.", line)
        assert not seen or seen[1] in (name, "kinds"), line


@pytest.mark.parametrize("name", SCRIPTS)
def test_every_server_accepts_a_script(plain_server: redis.Redis, name: str) -> None:
    """It compiles, and its name is the one that we know it by."""
    assert plain_server.script_load(load(name).source) == load(name).sha


@pytest.mark.parametrize("name", SCRIPTS)
def test_each_part_that_a_script_speaks_to_is_there(name: str) -> None:
    """Lua would find out only on the line that runs."""
    source = load(name).source
    declared = set(re.findall(r"^local ([\w, ]+) = \{", source, re.MULTILINE))
    tables = {table for line in declared for table in line.split(", ")}
    code = re.sub(r"--.*|'[^'\n]*'", "", source)
    for part, function in re.findall(r"\b(\w+)\.(\w+)\(", code):
        if part in PARTS:
            assert part in tables, f"{part}.{function} is used, {part} is not included"
            assert re.search(rf"function {part}\.{function}\(", source), f"{part}.{function} is not defined"


def test_every_function_of_a_part_is_used_by_some_script() -> None:
    """And a script has no other functions than those that it can reach."""
    sources = {name: load(name).source for name in SCRIPTS}
    for part in PARTS:
        for function in take_apart(part, (LUA / "parts" / f"{part}.lua").read_text()).functions:
            assert any(f"function {part}.{function}(" in source for source in sources.values()), f"{part}.{function}"
    assert "function tasks.add(" not in sources["renew"]


def test_rare_functions_are_made_when_something_in_their_part_is_asked_for(store: Scripted) -> None:
    """Those of included parts at once; a part is whole when its functions share locals."""
    parts = {
        "soon": take_apart(
            "soon", "-- a caption\nfunction soon.one() return rare.two() end\nfunction soon.not_used()\nend\n"
        ),
        "rare": take_apart("rare", "local kept = 41\nfunction rare.two()\n  return kept + other.three()\nend\n"),
        "other": take_apart("other", "other.begun = 1\nfunction other.three() return other.begun end\n"),
    }
    linked = link("-- @include soon\n-- @later other\nreturn soon.one()", parts)
    assert "not_used" not in linked
    assert linked.index("function soon.one") < linked.index("local function later") < linked.index("function rare.two")
    assert store.redis.eval(f"{linked}\nreturn soon.one()", 0) == 42
    assert includes("-- @include soon\n-- @later other\n") == ["soon", "other"]
    assert link("return 1", parts) == ""


def test_p2_a_call_of_many_finds_no_state_of_the_one_before_it() -> None:
    """[P2] What parts keep for a whole script is known here: the messages that wait, which each such script makes anew,
    how many were delivered, which bounds them all together, how many are on their way to the partition itself, and what
    is gathered to be written for all of them. In tables of theirs they also keep what is the same for a whole script:
    the last numbers of clock.next, the queues that are known, and the streams of workers that live."""
    kept = set()
    for script in (load(name) for name in SCRIPTS):
        if script.many:
            parts, body = script.source.split("local function item(argument)\n")
            kept |= set(re.findall(r"^local (?!function |kinds )(\w+)", parts, re.MULTILINE))
            assert ("messages.waiting, messages.left = {}, 0\n" in body) == ("function messages.send(" in parts)
    assert {name for name in kept if name.islower()} - set(PARTS) == {
        "call",
        "prefix",
        "partition",
        "group",
        "delivered",
        "posted",
        "gathered",
    }


def test_no_key_is_named_outside_of_its_file() -> None:
    """Scripts know keys by their names in keys.py."""
    for path in LUA.rglob("*.lua"):
        for name in re.findall(r"\bkey\.(\w+)\(", path.read_text()):
            assert name in TEMPLATES, f"{path.name}: {name}"


def test_every_call_goes_to_a_script() -> None:
    """A call without a translator would be found by users only."""
    walked = list(pkgutil.iter_modules(calls_package.__path__))
    calls = {
        member
        for module in (import_module(f"{calls_package.__name__}.{found.name}") for found in walked)
        for member in vars(module).values()
        if inspect.isclass(member) and issubclass(member, Call) and member.__module__ == module.__name__
    }
    assert calls - {Call} == set(TRANSLATORS)


def test_arguments_are_packed_in_the_order_of_the_header() -> None:
    """Lists and rows are preceded by their number."""
    script = load("renew")
    assert [one.name for one in script.parameters] == ["worker", "lease_ms", "heartbeats", "stats"]
    packed = script.pack(stats=b"{}", heartbeats=[("t1", b"a"), ("t2", b"b")], lease_ms=5, worker="w")
    assert packed == ["w", 5, 2, "t1", b"a", "t2", b"b", b"{}"]
    assert load("drop_outbox").pack(ids=("1-0", "2-0")) == [2, "1-0", "2-0"]


def test_a_caller_that_differs_from_the_header_is_told() -> None:
    """Too few, too many, and rows of another width."""
    script = load("renew")
    good = {"worker": "w", "lease_ms": 1, "heartbeats": [], "stats": b""}
    with pytest.raises(TypeError, match=r"renew\.lua needs stats"):
        script.pack(**{name: value for name, value in good.items() if name != "stats"})
    with pytest.raises(TypeError, match=r"renew\.lua does not take color"):
        script.pack(**good, color="red")
    with pytest.raises(TypeError, match="a row of heartbeats has 1 fields, not 2"):
        script.pack(**{**good, "heartbeats": [("t",)]})


def test_keys_are_the_same_in_python_and_in_lua(store: Scripted) -> None:
    """Both are written from one table."""
    names = ", ".join(f"key.{name}('x' .. 1)" for name in TEMPLATES)
    source = write_out(f"local prefix = ARGV[1] return {{ {names} }}")
    found = store.redis.eval(source, 0, store.key("meta").removesuffix("meta"))
    assert found == [store.key(name, "x1").encode() for name in TEMPLATES]


def test_channels_name_their_database(store: Scripted) -> None:
    """Redis keeps keys apart by databases, but not channels."""
    names = ", ".join(f"key.{name}('x1')" for name in sorted(CHANNELS))
    for database in (0, 7):
        source = write_out(f"local prefix = ARGV[1] return {{ {names} }}", database)
        found = store.redis.eval(source, 0, "rqflow:{h.0}:")
        assert found == [channel("h", 0, database, name, "x1").encode() for name in sorted(CHANNELS)]
    assert len({load("commit", database=database).sha for database in range(3)}) == 3
    assert load("read_outcome", database=1).sha == load("read_outcome").sha, "what tells nobody is the same for all"
    assert key("h", 3, "instance", "a") == "rqflow:{h.3}:instance:a"
    assert suffix("worker", "w") == "worker:w"


def test_a_key_may_be_the_argument_of_another_and_an_open_parenthesis_is_an_error() -> None:
    """What write_out makes of odd sources."""
    assert write_out("f(key.history(key.meta()), 1)") == "f((prefix .. 'history:' .. ((prefix .. 'meta'))), 1)"
    with pytest.raises(ValueError, match="stays open"):
        write_out("f(key.history(run")
    with pytest.raises(KeyError):
        write_out("key.nonsense()")


def test_rows_have_no_other_fields_than_those_that_are_written_down(store: Scripted) -> None:
    """rows.py is where readers look."""
    store.register()
    store.start("one", attributes={"a": 1})
    store.start("two", delay=store.place.hub.retention)
    store.finish("one")
    for instance in ("one", "two"):
        assert set(store.row(instance)) <= set(INSTANCE)
    info = cast("dict[bytes, bytes]", store.redis.hgetall(store.key("worker_info", "w1")))
    assert {name.decode() for name in info} <= set(WORKER)
    [(_, fields), *_] = cast("list[tuple[bytes, dict[bytes, bytes]]]", store.redis.xrange(store.key("events")))
    assert tuple(name.decode() for name in fields) == EVENT


def test_no_script_changes_a_list_that_it_was_given() -> None:
    """All of its lists that are empty are one table."""
    for name in SCRIPTS:
        body = (LUA / f"{name}.lua").read_text()
        for parameter in (one.name for one in load(name).parameters if not one.single):
            changed = rf"(?<![.\w]){parameter}\[[^\]]*\] = |table\.\w+\({parameter}\b"
            assert not re.search(changed, body), f"{name}.lua changes {parameter}"


@pytest.mark.parametrize("names", [[], ["a"], ["a", "b"]])
@pytest.mark.parametrize("rows", [[], [("1", "2")], [("1", "2"), ("3", "4")]])
@pytest.mark.parametrize("last", [[], ["x", "y"]])
def test_lists_are_read_where_they_stand(
    plain_server: redis.Redis, names: list[str], rows: list[tuple[str, str]], last: list[str]
) -> None:
    """Between other arguments or at the end, empty or not."""
    types = {"first": "list", "number": "int", "pairs": "rows(one,two)", "end_of_it": "list"}
    singles = {name: type in ("string", "int") for name, type in types.items()}
    parameters = tuple(
        Parameter(name, type.split("(")[0], ("one", "two") if "(" in type else (), singles[name])
        for name, type in types.items()
    )
    script = Script(name="test", source="", sha="", parameters=parameters)
    told = "return cjson.encode({ first, number, pairs, end_of_it, #first, #pairs, #end_of_it })"
    packed = script.pack(first=names, number=7, pairs=rows, end_of_it=last)
    answer = json.loads(cast("bytes", plain_server.eval(_prologue(parameters, False) + told, 0, *packed)))
    pairs = [{"one": one, "two": two} for one, two in rows]
    assert answer == [names or {}, 7, pairs or {}, last or {}, len(names), len(rows), len(last)]
