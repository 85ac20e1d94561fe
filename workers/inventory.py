"""Inventory: what lies in a folder tree: files, bytes, lines, kinds, the largest; one workflow per folder.

A folder's workflow lists it page by page, has each file measured by an activity and each folder below counted by a
child workflow, and adds up what comes back, so that no value grows with the tree. Links are never followed; what
cannot be read is counted and told. A very large folder goes on in a fresh run before its history gets long.
"""

from __future__ import annotations

import asyncio
import hashlib
import heapq
import os
import re
import stat
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import PurePosixPath
from urllib.parse import unquote_to_bytes

from rqflow import Retry, activity, workflow

PAGE = 1_000
"""Names that one listing gives: even the longest stay below the payload limit."""
BATCH = 200
"""Files and folders of one folder that are in work at a time."""
LARGEST = 10
CHUNK = 1 << 20
STEADY = Retry(max_attempts=5, initial=timedelta(milliseconds=100))


@dataclass
class Measure:
    """One file."""

    path: str
    kind: str
    bytes: int = 0
    lines: int = 0
    sha256: str = ""
    problem: str = ""
    """Why it could not be read; then the numbers count for nothing."""


@dataclass
class Page:
    """Part of a folder: names."""

    files: list[str] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)
    others: int = 0
    """Links, sockets, devices: seen and left alone."""
    next: str | None = None
    """The last name of this page if there are more."""
    problem: str = ""


@dataclass
class Total:
    """Files of one kind."""

    files: int = 0
    bytes: int = 0
    lines: int = 0


@dataclass
class Inventory:
    """What was found in a folder and all below it."""

    folders: int = 0
    files: int = 0
    bytes: int = 0
    lines: int = 0
    others: int = 0
    unreadable: int = 0
    kinds: dict[str, Total] = field(default_factory=dict)
    largest: list[Measure] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    """The first few of the unreadable."""


@workflow
async def inventory(
    path: str, skip: list[str] | None = None, after: str = "", so_far: Inventory | None = None
) -> Inventory:
    """Count the folder `path`, leaving out folders whose name is in `skip`. `after` and `so_far`: to go on."""
    found = so_far or Inventory()
    place: str | None = after
    while place is not None:
        page = await list_folder(path, skip or [], place)
        workflow.emit("counted", {"files": 0, "activities": 1})
        found.others += page.others
        if page.problem:
            add_problems(found, 1, [page.problem])
        elif place == "":
            found.folders += 1
        for names in batches(page.folders):
            for child in await asyncio.gather(*(inventory(f"{path}/{name}", skip) for name in names)):
                add_inventory(found, child)
        for names in batches(page.files):
            for file in await asyncio.gather(*(measure(f"{path}/{name}") for name in names)):
                add_file(found, file)
            workflow.emit("counted", {"files": len(names), "activities": len(names)})
        workflow.set_status({"folders": found.folders, "files": found.files, "bytes": found.bytes})
        place = page.next
        if place is not None and workflow.info().continue_suggested:
            workflow.continue_as_new(path, skip, place, found)
    return found


# ---- activities -------------------------------------------------------------------------------------------------


@activity(retry=STEADY, timeout=timedelta(minutes=5))
def list_folder(path: str, skip: list[str], after: str) -> Page:
    """The entries of a folder that come after a name, a page of them."""
    here = to_system(path)
    # Compared as bytes, in one fixed order: two pages of a folder then neither overlap nor leave a gap.
    last = to_system(after)
    try:
        with os.scandir(here) as entries:
            kept = heapq.nsmallest(PAGE + 1, (e for e in entries if e.name > last), key=lambda entry: entry.name)
    except OSError as error:
        return Page(problem=f"{path}: {error.strerror}")
    page = Page(next=to_text(kept[PAGE - 1].name) if len(kept) > PAGE else None)
    left_out = {to_system(name) for name in skip}
    for entry in kept[:PAGE]:
        if entry.is_file(follow_symlinks=False):
            page.files.append(to_text(entry.name))
        elif not entry.is_dir(follow_symlinks=False):
            page.others += 1
        elif entry.name not in left_out:
            page.folders.append(to_text(entry.name))
    return page


@activity(retry=STEADY, timeout=timedelta(minutes=30), heartbeat=timedelta(minutes=1))
def measure(path: str) -> Measure:
    """Size, SHA-256, lines and kind of a file."""
    found = Measure(path, kind_of(path))
    digest = hashlib.sha256()
    try:
        # It may have become a link or a pipe since it was listed: neither is followed or waited for.
        file = os.open(to_system(path), os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
        try:
            if not stat.S_ISREG(os.fstat(file).st_mode):
                raise OSError(0, "no regular file any more")
            while chunk := os.read(file, CHUNK):
                digest.update(chunk)
                found.bytes += len(chunk)
                found.lines += chunk.count(b"\n")
                activity.heartbeat()
        finally:
            os.close(file)
    except OSError as error:
        return Measure(path, found.kind, problem=f"{path}: {error.strerror}")
    found.sha256 = digest.hexdigest()
    return found


# ---- adding up --------------------------------------------------------------------------------------------------


def batches(names: list[str]) -> list[list[str]]:
    """Names in lists of bearable length."""
    return [names[start : start + BATCH] for start in range(0, len(names), BATCH)]


def add_file(found: Inventory, file: Measure) -> None:
    """One file."""
    if file.problem:
        add_problems(found, 1, [file.problem])
        return
    found.files += 1
    found.bytes += file.bytes
    found.lines += file.lines
    total = found.kinds.setdefault(file.kind, Total())
    total.files += 1
    total.bytes += file.bytes
    total.lines += file.lines
    keep_largest(found, [file])


def add_inventory(found: Inventory, child: Inventory) -> None:
    """Everything of a folder below."""
    for name in ("folders", "files", "bytes", "lines", "others"):
        setattr(found, name, getattr(found, name) + getattr(child, name))
    for kind, more in child.kinds.items():
        total = found.kinds.setdefault(kind, Total())
        total.files += more.files
        total.bytes += more.bytes
        total.lines += more.lines
    keep_largest(found, child.largest)
    add_problems(found, child.unreadable, child.problems)


def keep_largest(found: Inventory, files: list[Measure]) -> None:
    """The ten largest, of equal ones those that come first by path."""
    found.largest = heapq.nsmallest(LARGEST, [*found.largest, *files], key=lambda file: (-file.bytes, file.path))


def add_problems(found: Inventory, unreadable: int, problems: list[str]) -> None:
    """What could not be read."""
    found.unreadable += unreadable
    found.problems = [*found.problems, *problems][:LARGEST]


# ---- names ------------------------------------------------------------------------------------------------------

KINDS = {
    "python": "py pyi pyw", "compiled": "pyc pyo so a o dll dylib exe pyd class jar wasm", "c": "c h cc cpp hpp cxx",
    "rust": "rs", "go": "go", "java": "java kt scala", "web": "js mjs ts tsx jsx css scss html htm vue map",
    "shell": "sh bash zsh fish bat ps1 csh", "text": "txt md rst log tex decTest", "data": "json csv tsv xml sql db",
    "settings": "toml yaml yml ini cfg conf in lock", "image": "png jpg jpeg gif svg ico xbm webp bmp tif tiff",
    "sound and film": "wav mp3 au aiff aifc ogg mp4 mov mkv", "archive": "zip gz tar bz2 xz whl egg 7z tgz zst",
}  # fmt: skip
"""Kinds by suffix: few, so that totals by kind stay small whatever the tree holds."""
KIND_OF_SUFFIX = {suffix.lower(): kind for kind, suffixes in KINDS.items() for suffix in suffixes.split()}


def kind_of(path: str) -> str:
    """The kind that a file's suffix stands for."""
    return KIND_OF_SUFFIX.get(PurePosixPath(path).suffix[1:].lower(), "other")


def to_text(name: str) -> str:
    """A path as text that JSON can hold: bytes that are no UTF-8, and the percent sign, as %XX."""
    return re.sub("[%\udc80-\udcff]", lambda found: "".join(f"%{byte:02X}" for byte in os.fsencode(found[0])), name)


def to_system(text: str) -> str:
    """The path that `to_text` was given."""
    return os.fsdecode(unquote_to_bytes(text))
