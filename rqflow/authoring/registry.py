"""Registry: the workflows and activities that a worker, client or command line knows, collected from modules."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import os
import sys
import traceback
from collections.abc import Iterable, Mapping
from types import ModuleType
from typing import Any, Final

from rqflow.authoring.activities import Activity
from rqflow.authoring.workflows import Workflow
from rqflow.errors import BadInput, UnknownName

_OWN: Final = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
"""Where our own code lies: an import that fails in there failed because of the module that called us."""


class Registry:
    """Definitions by name. Two functions of one name are refused: histories could not tell them apart."""

    def __init__(self, definitions: Iterable[Workflow[..., Any] | Activity[..., Any]] = ()) -> None:
        self._workflows: dict[str, Workflow[..., Any]] = {}
        self._activities: dict[str, Activity[..., Any]] = {}
        self._modules: dict[str, ModuleType] = {}
        for definition in definitions:
            self.add(definition)

    @property
    def workflows(self) -> Mapping[str, Workflow[..., Any]]:
        """By name."""
        return self._workflows

    @property
    def activities(self) -> Mapping[str, Activity[..., Any]]:
        """By name."""
        return self._activities

    @property
    def modules(self) -> tuple[ModuleType, ...]:
        """What was loaded, and the modules that define what was found there."""
        return tuple(self._modules.values())

    def add(self, definition: Workflow[..., Any] | Activity[..., Any]) -> None:
        """Make a definition known. Raises BadInput if its name is taken by another function."""
        if isinstance(definition, Workflow):
            before: Any = self._workflows.get(definition.name)
            kind = "workflow"
        else:
            before = self._activities.get(definition.name)
            kind = "activity"
        if before is not None:
            if before.fn is definition.fn:  # the same one under two names, or with other options
                return
            raise BadInput(
                f"two {kind} functions are named {definition.name!r}: {_place(before.fn)} and "
                f"{_place(definition.fn)}; give one of them another: @{kind}(name=…)"
            )
        if isinstance(definition, Workflow):
            self._workflows[definition.name] = definition
        else:
            self._activities[definition.name] = definition
        home = sys.modules.get(definition.fn.__module__)
        if home is not None:
            self._modules.setdefault(home.__name__, home)

    def add_module(self, module: ModuleType) -> None:
        """Make known whatever stands in a module's namespace, imported names too. Raises BadInput."""
        self._modules.setdefault(module.__name__, module)
        for value in list(vars(module).values()):
            if isinstance(value, (Workflow, Activity)):
                self.add(value)

    def workflow(self, name: str) -> Workflow[..., Any]:
        """By name. Raises UnknownName."""
        try:
            return self._workflows[name]
        except KeyError:
            raise UnknownName("workflow", name, tuple(sorted(self._workflows))) from None

    def activity(self, name: str) -> Activity[..., Any]:
        """By name. Raises UnknownName."""
        try:
            return self._activities[name]
        except KeyError:
            raise UnknownName("activity", name, tuple(sorted(self._activities))) from None


def load_modules(names: Iterable[str]) -> Registry:
    """What the modules of these names define or import. The working directory is searched too.

    Raises BadInput: a module does not import (which, where and why), or two functions share a name."""
    here = os.getcwd()
    if here not in sys.path and "" not in sys.path:
        sys.path.insert(0, here)
    registry = Registry()
    for name in names:
        registry.add_module(_import(name))
    return registry


def build_id(registry: Registry) -> str:
    """A short hash over the source of the registry's modules: another one after each change of their code."""
    digest = hashlib.sha256()
    for module in sorted(registry.modules, key=lambda module: module.__name__):
        digest.update(module.__name__.encode() + b"\0")
        try:
            digest.update(inspect.getsource(module).encode())
        except (OSError, TypeError):  # no source: an extension module, or one typed in by hand
            digest.update(b"\0")
    return digest.hexdigest()[:12]


def _import(name: str) -> ModuleType:
    if name.endswith(".py") or "/" in name:
        module = name.removesuffix(".py").strip("./").replace("/", ".")
        raise BadInput(f"{name!r} is a file; give the module's name: {module}")
    if not all(part.isidentifier() for part in name.split(".")):
        raise BadInput(f"{name!r} is no module name")
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is not None and (name == error.name or name.startswith(f"{error.name}.")):
            raise BadInput(
                f"module {name!r} not found (no module {error.name!r} in {os.getcwd()} or on the Python path)"
            ) from error
        raise BadInput(f"module {name!r} cannot be imported: {_reason(error)}") from error
    except (KeyboardInterrupt, GeneratorExit):
        raise
    except BaseException as error:  # a module may raise anything, SystemExit too
        raise BadInput(f"module {name!r} cannot be imported: {_reason(error)}") from error


def _reason(error: BaseException) -> str:
    if isinstance(error, SyntaxError) and error.filename:
        return f"{error.filename}:{error.lineno}: {type(error).__name__}: {error.msg}"
    said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    for frame in reversed(traceback.extract_tb(error.__traceback__)):
        if not frame.filename.startswith(("<frozen", _OWN)) and f"{os.sep}importlib{os.sep}" not in frame.filename:
            return f"{frame.filename}:{frame.lineno}: {said}"
    return said


def _place(fn: Any) -> str:
    code = getattr(inspect.unwrap(fn), "__code__", None)
    where = f"{fn.__module__}.{fn.__qualname__}"
    return f"{where} ({code.co_filename}:{code.co_firstlineno})" if code is not None else where
