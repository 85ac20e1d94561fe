"""Reloading: which files a module's code is in, and when they change."""

from __future__ import annotations

import importlib.util
import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

from rqflow.errors import BadInput

try:
    import watchfiles
except ImportError:
    watchfiles = None  # type: ignore[assignment]


def watched_paths(modules: Iterable[str]) -> tuple[Path, ...]:
    """The folders of the packages that modules belong to, or of a module that belongs to none. Raises BadInput."""
    if watchfiles is None:
        raise BadInput("reloading needs the watchfiles package: pip install 'rqflow[dev]'; or use rqflow worker")
    found: dict[Path, None] = {}
    for module in modules:
        top = module.split(".", maxsplit=1)[0]
        try:
            spec = importlib.util.find_spec(top)
        except (ImportError, ValueError):
            spec = None
        places = list(spec.submodule_search_locations or ()) if spec else []
        if not places and spec is not None and spec.origin and Path(spec.origin).is_file():
            places = [str(Path(spec.origin).parent)]
        if not places:
            raise BadInput(f"module {module!r} not found: no {top!r} in {Path.cwd()} or on the Python path")
        found.update(dict.fromkeys(Path(place).resolve() for place in places))
    return tuple(found)


class Changes:
    """Watches folders in a thread, while it is open."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._stop = threading.Event()
        self._seen = threading.Event()
        self._names: list[str] = []
        self._thread = threading.Thread(target=self._watch, name="rqflow-changes", daemon=True)

    def __enter__(self) -> Changes:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(5)

    def wait(self, seconds: float) -> bool:
        """Whether something has changed, waiting a little."""
        return self._seen.wait(seconds)

    def take(self) -> str:
        """The names of what has changed since the last call, for people."""
        self._seen.clear()
        names, self._names = sorted(set(self._names)), []
        return ", ".join(names[:3]) + (" and others" if len(names) > 3 else "") or "a file"

    def _watch(self) -> None:
        found = watchfiles.watch(
            *self._paths,
            watch_filter=watchfiles.PythonFilter(),
            stop_event=self._stop,
            rust_timeout=200,
            yield_on_timeout=False,
            raise_interrupt=False,
        )
        for changes in found:
            self._names += [Path(path).name for _, path in changes]
            self._seen.set()
