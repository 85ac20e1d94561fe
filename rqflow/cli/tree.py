"""Tree: a plain walk of a folder tree, to hold the inventory workflow's totals against."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field


@dataclass(slots=True)
class Totals:
    """What a walk found."""

    folders: int = 0
    files: int = 0
    bytes: int = 0
    lines: int = 0
    kinds: dict[str, tuple[int, int, int]] = field(default_factory=dict)
    """Kind → files, bytes, lines."""


def count_tree(path: str, skip: Collection[str]) -> Totals:
    """Folders, files and bytes, without a look into the files."""
    found = Totals()
    for folder, files in _folders(path, skip):
        found.folders += 1
        found.files += len(files)
        for name in files:
            try:
                found.bytes += os.lstat(os.path.join(folder, name)).st_size
            except OSError:
                continue
    return found


def walk_tree(path: str, skip: Collection[str], kind_of: Callable[[str], str]) -> Totals:
    """The same with lines and kinds. What cannot be read is left out, as the workflow leaves it out."""
    found = Totals()
    for folder, files in _folders(path, skip):
        found.folders += 1
        for name in files:
            try:
                size, lines = _read(os.path.join(folder, name))
            except OSError:
                continue
            found.files += 1
            found.bytes += size
            found.lines += lines
            before = found.kinds.get(kind_of(name), (0, 0, 0))
            found.kinds[kind_of(name)] = (before[0] + 1, before[1] + size, before[2] + lines)
    return found


def _folders(path: str, skip: Collection[str]) -> Iterator[tuple[str, list[str]]]:
    """Each folder with the names of its regular files. Links are not followed."""
    for folder, below, names in os.walk(path):
        below[:] = [name for name in below if name not in skip]
        yield folder, [name for name in names if _is_regular(os.path.join(folder, name))]


def _is_regular(path: str) -> bool:
    try:
        return stat.S_ISREG(os.lstat(path).st_mode)
    except OSError:
        return False


def _read(path: str) -> tuple[int, int]:
    size = lines = 0
    with open(path, "rb") as file:
        while chunk := file.read(1 << 20):
            size += len(chunk)
            lines += chunk.count(b"\n")
    return size, lines
