"""Architecture: floors, homes, sizes and names, read from the source text alone."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "rqflow"

FLOORS = {
    "errors": 1,
    "values": 1,
    "converters": 2,
    "settings": 2,
    "core": 3,
    "schedules": 3,
    "backend": 4,
    "authoring": 4,
    "worker": 5,
    "client": 5,
    "testing": 6,
    "dashboard": 6,
    "sidecar": 6,
    "scheduler": 6,
    "contrib": 6,
    "cli": 7,
}
HOMES = {
    "orjson": "converters/json.py",
    "croniter": "schedules/cron.py",
    "redis": "backend/redis/",
    "hiredis": "backend/redis/",
    "click": "cli/",
    "rich": "cli/",
    "watchfiles": "cli/",
    "pytest": "testing/",
    "hypothesis": "testing/",
}
"""The one place of each third-party library inside the package."""

IMPURE = {
    "os",
    "time",
    "socket",
    "threading",
    "subprocess",
    "pathlib",
    "select",
    "signal",
    "multiprocessing",
    "secrets",
}
"""What core/ never imports."""

VAGUE = {"utils", "util", "helpers", "helper", "common", "base", "manager", "misc", "stuff"}

FILE_LINES = 350
CLASS_LINES = 150
FUNCTION_LINES = 50
LUA_LINES = 80
FACE_LINES = 40


@dataclass(frozen=True)
class Import:
    """One name that a module takes from elsewhere."""

    module: str
    name: str
    line: int
    nested: bool


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def sources(folder: Path = PACKAGE) -> tuple[Path, ...]:
    return tuple(sorted(folder.rglob("*.py")))


@cache
def imports_of(path: Path) -> tuple[Import, ...]:
    """Every import of a file, wherever it stands: under TYPE_CHECKING and inside functions too."""
    top = set(map(id, tree_of(path).body))
    found: list[Import] = []
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found += [Import(alias.name, "", node.lineno, id(node) not in top) for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            module = "." * node.level + (node.module or "")
            found += [Import(module, alias.name, node.lineno, id(node) not in top) for alias in node.names]
    return tuple(found)


def own_imports(path: Path) -> Iterator[Import]:
    return (found for found in imports_of(path) if found.module.split(".")[0] == "rqflow")


@cache
def module_path(name: str) -> Path | None:
    """The file of one of our modules, None if the name is no module."""
    stem = ROOT.joinpath(*name.split("."))
    for candidate in (stem.with_suffix(".py"), stem / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def folder_of(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def shown(path: Path, line: int = 0) -> str:
    return f"{path.relative_to(ROOT)}:{line}" if line else str(path.relative_to(ROOT))


def test_imports_run_down_the_floors() -> None:
    """A folder imports only from floors below its own, and neighbours never import each other."""
    wrong = []
    for path in sources():
        folder = folder_of(path)
        if folder == "__init__":
            continue
        for found in own_imports(path):
            target = found.module.split(".")[1] if "." in found.module else "__init__"
            if target != folder and not FLOORS.get(target, 99) < FLOORS[folder]:
                wrong.append(f"{shown(path, found.line)} imports {found.module}")
    assert not wrong, "\n".join(wrong)


def test_every_folder_has_a_floor() -> None:
    """A new folder must be given its place in the house."""
    assert {folder_of(path) for path in sources()} - {"__init__"} <= set(FLOORS)


def test_own_modules_are_imported_absolutely_and_at_the_top() -> None:
    """No relative import, none inside a function, none under TYPE_CHECKING: what is needed is seen at once."""
    wrong = [
        shown(path, found.line)
        for path in sources()
        for found in imports_of(path)
        if found.module.startswith(".") or (found.nested and found.module.split(".")[0] == "rqflow")
    ]
    assert not wrong, "\n".join(wrong)


@cache
def defined_names(path: Path) -> set[str]:
    names: set[str] = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
    return names


def test_names_come_from_the_module_that_defines_them() -> None:
    """Nothing is handed on, except by the package's face."""
    wrong = []
    for path in sources():
        for found in own_imports(path):
            target = module_path(found.module)
            assert target is not None, f"{shown(path, found.line)} imports {found.module}, which is no module"
            if (
                found.name
                and found.name not in defined_names(target)
                and not module_path(f"{found.module}.{found.name}")
            ):
                wrong.append(f"{shown(path, found.line)} takes {found.name} from {found.module}")
    assert not wrong, "\n".join(wrong)


def test_no_module_imports_itself_through_others() -> None:
    """No circle of imports, of any length."""
    graph = {
        path: {
            target
            for found in own_imports(path)
            for target in (module_path(f"{found.module}.{found.name}") or module_path(found.module),)
            if target is not None
        }
        for path in sources()
    }
    done: set[Path] = set()

    def visit(path: Path, trail: tuple[Path, ...]) -> None:
        assert path not in trail, " -> ".join(map(shown, (*trail[trail.index(path) :], path)))
        if path in done:
            return
        for target in sorted(graph[path]):
            visit(target, (*trail, path))
        done.add(path)

    for path in graph:
        visit(path, ())


def test_each_third_party_library_has_one_home() -> None:
    """Whoever replaces a library edits one place."""
    wrong = []
    for path in sources():
        for found in imports_of(path):
            library = found.module.split(".")[0]
            if library in sys.stdlib_module_names or library in {"rqflow", "workers", ""}:
                continue
            home = HOMES.get(library)
            if home is None or not str(path.relative_to(PACKAGE)).startswith(home):
                wrong.append(f"{shown(path, found.line)} imports {library}; its home is {home}")
    assert not wrong, "\n".join(wrong)


def test_the_core_is_pure() -> None:
    """core/ knows no clock, socket, file, thread or process, and no chance but a seeded generator."""
    wrong = []
    for path in sources(PACKAGE / "core"):
        for found in imports_of(path):
            library = found.module.split(".")[0]
            impure = library in IMPURE or (library == "random" and found.name != "Random")
            if impure:
                wrong.append(f"{shown(path, found.line)} imports {library}")
        if re.search(r"datetime\.(now|utcnow|today)\(|perf_counter|monotonic\(\)", path.read_text(encoding="utf-8")):
            wrong.append(f"{shown(path)} reads a clock")
    assert not wrong, "\n".join(wrong)


def test_workers_import_only_rqflow() -> None:
    """What we deploy stands on the public face alone."""
    for path in sources(ROOT / "workers"):
        for found in imports_of(path):
            assert found.module == "rqflow" or found.module.split(".")[0] in sys.stdlib_module_names, shown(
                path, found.line
            )


def test_only_settings_read_the_environment() -> None:
    """Below settings nothing is looked up: what a piece needs is handed to it."""
    wrong = [
        shown(path)
        for path in sources()
        if folder_of(path) != "settings"
        and re.search(r"os\.(environ\[|environ\.get|getenv)", path.read_text(encoding="utf-8"))
    ]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", [*sources(), *sources(ROOT / "workers")], ids=shown)
def test_each_file_is_one_idea_of_bearable_size(path: Path) -> None:
    """A caption, fewer than 350 lines, classes under 150, functions under 50, no vague name."""
    tree = tree_of(path)
    caption = (ast.get_docstring(tree) or "").split("\n")[0]
    assert caption, f"{shown(path)} has no caption"
    assert caption.rstrip().endswith((".", ":")), f"{shown(path)}: the caption is a sentence: {caption!r}"
    assert not set(path.stem.split("_")) & VAGUE, f"{shown(path)}: say what is in it"
    assert len(path.read_text(encoding="utf-8").splitlines()) < FILE_LINES, shown(path)
    for node in ast.walk(tree):
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            limit = CLASS_LINES if isinstance(node, ast.ClassDef) else FUNCTION_LINES
            length = (node.end_lineno or node.lineno) - node.lineno + 1
            assert length < limit, f"{shown(path, node.lineno)} {node.name} has {length} lines, the limit is {limit}"


def test_package_files_hand_nothing_on() -> None:
    """`__init__.py` is one docstring line; only the package's own face exports, in under 40 lines."""
    for path in PACKAGE.rglob("__init__.py"):
        text = path.read_text(encoding="utf-8")
        if path.parent == PACKAGE:
            assert len(text.splitlines()) < FACE_LINES
        else:
            assert len(tree_of(path).body) == 1, f"{shown(path)} holds more than its caption"


LUA = sorted((PACKAGE / "backend" / "redis" / "lua").rglob("*.lua"))


@pytest.mark.parametrize("path", LUA, ids=shown)
def test_each_script_is_short_and_says_its_contract(path: Path) -> None:
    """Under 80 lines, and the first line that includes nothing is `-- name: what it does.`."""
    lines = path.read_text(encoding="utf-8").splitlines()
    assert len(lines) < LUA_LINES, f"{shown(path)} has {len(lines)} lines"
    caption = next((line for line in lines if not line.startswith("-- @include")), "")
    assert re.match(rf"-- {path.stem}: \S", caption), f"{shown(path)} begins with {caption!r}"


def test_there_are_scripts() -> None:
    """The glob above found the folder."""
    assert LUA


def test_no_lua_stands_in_python() -> None:
    """Scripts are files: nothing calls redis from inside a Python string."""
    wrong = [shown(path) for path in sources() if "redis.call" in path.read_text(encoding="utf-8")]
    assert not wrong, "\n".join(wrong)
