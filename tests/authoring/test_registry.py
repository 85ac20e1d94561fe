"""Registry: definitions are collected from modules, and a module that does not import is told in one sentence."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from rqflow.authoring.activity_face import activity
from rqflow.authoring.registry import Registry, build_id, load_modules
from rqflow.authoring.workflow_face import workflow
from rqflow.errors import BadInput, UnknownName
from tests.authoring.shop import charge, refund

HEAD = """
from rqflow.authoring.activity_face import activity
from rqflow.authoring.workflow_face import workflow
"""
ORDERS = f"""{HEAD}
@activity
async def charge(order: str) -> str:
    return order

@workflow
async def checkout(order: str) -> str:
    return await charge(order)

eu_charge = charge.options(queue="eu")
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with a package `shopping` that is forgotten afterwards."""
    (tmp_path / "shopping").mkdir()
    (tmp_path / "shopping" / "__init__.py").write_text("")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    before = set(sys.modules)
    yield tmp_path / "shopping"
    for name in set(sys.modules) - before:
        del sys.modules[name]


def test_modules_of_the_working_directory_are_loaded(folder: Path) -> None:
    """What stands in their namespace counts, whether it is defined there or imported."""
    (folder / "orders.py").write_text(ORDERS)
    (folder / "all.py").write_text("from shopping.orders import checkout, charge as take_money\n")
    registry = load_modules(["shopping.all"])
    assert sorted(registry.workflows) == ["checkout"]
    assert sorted(registry.activities) == ["charge"]
    assert [module.__name__ for module in registry.modules] == ["shopping.all", "shopping.orders"]


def test_a_build_id_follows_the_source(folder: Path) -> None:
    """The same code has the same id in every process; a changed line gives another."""
    (folder / "orders.py").write_text(ORDERS)
    (folder / "all.py").write_text("from shopping.orders import checkout\n")
    first = build_id(load_modules(["shopping.all"]))
    assert build_id(load_modules(["shopping.orders", "shopping.all"])) == first
    for name in [name for name in sys.modules if name.startswith("shopping")]:
        del sys.modules[name]
    (folder / "orders.py").write_text(ORDERS.replace("return order", "return order + '!'"))
    assert build_id(load_modules(["shopping.all"])) != first


def test_a_module_without_source_has_a_build_id_too() -> None:
    """One typed into a shell, for instance."""
    module = ModuleType("typed_in")
    registry = Registry([charge])
    registry.add_module(module)
    assert build_id(registry) != build_id(Registry([charge]))


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("import no_such_thing\n", "orders.py:1: ModuleNotFoundError: No module named 'no_such_thing'"),
        ("\n\nx = (\n", "orders.py:3: SyntaxError: '(' was never closed"),
        ("def f():\n    return {}['a']\n\nf()\n", "orders.py:2: KeyError: 'a'"),
        ("raise SystemExit(3)\n", "orders.py:1: SystemExit: 3"),
        (f"{HEAD}\n@workflow\ndef plain() -> None: ...\n", "BadInput: workflow plain must be an async function"),
        ("raise AssertionError\n", "orders.py:1: AssertionError"),
    ],
)
def test_a_module_that_does_not_import_is_told_with_its_place(folder: Path, source: str, message: str) -> None:
    """Which module, where, and why, whatever it raises."""
    (folder / "orders.py").write_text(source)
    with pytest.raises(BadInput) as caught:
        load_modules(["shopping.orders"])
    assert str(caught.value).startswith("module 'shopping.orders' cannot be imported: ")
    assert message in str(caught.value)
    assert f"{folder / 'orders.py'}:" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("shopping.nothing", "module 'shopping.nothing' not found (no module 'shopping.nothing' in "),
        ("nowhere.orders", "module 'nowhere.orders' not found (no module 'nowhere' in "),
        ("shopping/orders.py", "'shopping/orders.py' is a file; give the module's name: shopping.orders"),
        ("shopping orders", "'shopping orders' is no module name"),
        ("", "'' is no module name"),
        (".orders", "'.orders' is no module name"),
    ],
)
def test_a_module_that_is_not_there_is_told(folder: Path, name: str, message: str) -> None:
    """A wrong name is told apart from a module whose own import fails."""
    with pytest.raises(BadInput) as caught:
        load_modules([name])
    assert str(caught.value).startswith(message)


def test_two_functions_of_one_name_are_refused(folder: Path) -> None:
    """Both places are named; the same function under two names is none of that."""
    (folder / "orders.py").write_text(ORDERS)
    (folder / "copy.py").write_text(ORDERS)
    with pytest.raises(BadInput) as caught:
        load_modules(["shopping.orders", "shopping.copy"])
    said = str(caught.value)
    assert said.startswith("two activity functions are named 'charge': shopping.orders.charge (")
    assert f"{folder / 'orders.py'}:5)" in said
    assert f"{folder / 'copy.py'}:5)" in said
    assert said.endswith("give one of them another: @activity(name=…)")


def test_a_workflow_and_an_activity_may_share_a_name() -> None:
    """They are never confused: one is started, the other called."""

    @workflow(name="both")
    async def first() -> None: ...

    @activity(name="both")
    async def second() -> None: ...

    registry = Registry([first, second])
    assert registry.workflow("both") is first
    assert registry.activity("both") is second


def test_an_unknown_name_lists_the_known_ones() -> None:
    """For whoever mistyped it."""
    registry = Registry([charge, refund])
    with pytest.raises(UnknownName, match="no activity named 'chrge'; known: charge, refund"):
        registry.activity("chrge")
    with pytest.raises(UnknownName, match=r"no workflow named 'x'$"):
        registry.workflow("x")
