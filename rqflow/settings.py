"""Settings: what can be set from outside, where it is looked for, and what an unknown name or a wrong type says.

First an option of the command line, then the environment, then a file, then `.rqflow/dev.json` (where `rqflow dev`
leaves its address), then the default below. The environment has `RQFLOW_` and the name in capitals; for `url` also
`RQ_REDIS_URL` and `REDIS_URL`. The file is the one that was named, else `rqflow.toml` or `config/rqflow.toml` in the
working folder. Nothing else in rqflow reads the environment.
"""

from __future__ import annotations

import difflib
import json
import os
import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

from rqflow.errors import BadInput

DEFAULT_URL: Final = "redis://localhost:6379/0"
CONFIG_FILES: Final = ("rqflow.toml", "config/rqflow.toml")
LOG_LEVELS: Final = ("debug", "info", "warning", "error")
DEV_FILE: Final = "dev.json"
URL_VARIABLES: Final = ("RQFLOW_REDIS_URL", "RQFLOW_URL", "RQ_REDIS_URL", "REDIS_URL")
CONFIG_VARIABLE: Final = "RQFLOW_CONFIG"
"""Names the file to read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that can be set, with what holds where nothing was."""

    url: str = DEFAULT_URL
    """Where Redis is: redis://, rediss:// (TLS) or unix://, with user, password and database if needed."""
    hub: str = "default"
    """The namespace that commands and workers use."""
    modules: tuple[str, ...] = ()
    """Modules with workflows and activities: what `worker` and `dev` load, and what `start` checks values with."""
    queues: tuple[str, ...] = ("default",)
    """Queues that a worker serves, the most urgent first."""
    lease: timedelta = timedelta(seconds=10)
    """How long a silent worker keeps its tasks; after that another one takes over."""
    concurrency: int = 100
    """Activities that one worker process runs at a time."""
    workflow_slots: int = 100
    """Workflow turns that one worker process holds at a time."""
    threads: int = 32
    """Threads of one worker process for activities that are plain functions."""
    cache: int = 1_000
    """Live instances that one worker process keeps in memory between turns; 0 replays at every turn."""
    cache_bytes: int = 256 * 1_048_576
    """What the histories of those instances may add up to."""
    processes: int = 1
    """Worker processes that one `rqflow worker` starts."""
    build: str = ""
    """The version of your code, such as a commit: a stalled instance is tried again under another build."""
    drain: timedelta = timedelta(seconds=30)
    """How long a worker that was asked to stop waits for its running activities."""
    max_losses: int = 5
    """Workers that may die with one turn or one activity: after that the instance stalls, the activity fails."""
    contain_after: int = 2
    """Workers that died with an activity, after which it is tried in a process of its own; 0: never."""
    log_level: str = "info"
    """What a worker writes on standard error: debug, info, warning or error."""
    allow_eviction: bool = False
    """Whether to work on a Redis whose maxmemory-policy may evict keys, and so lose instances."""
    data: str = ".rqflow"
    """Folder of the private Redis of `rqflow dev`."""


DEFAULTS: Final = Settings()


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """The settings as they were found."""

    settings: Settings
    sources: Mapping[str, str]
    """Where each value came from: an option, a variable, a file, or `default`."""


def read(
    options: Mapping[str, Any] | None = None,
    *,
    config: Path | None = None,
    environ: Mapping[str, str] | None = None,
    folder: Path | None = None,
) -> Reading:
    """All settings. Raises BadInput, naming source, key and what was expected.

    `options` are those of the command line; None or an empty tuple means not given.
    """
    environ = os.environ if environ is None else environ
    folder = Path.cwd() if folder is None else folder
    values: dict[str, Any] = {}
    sources = {field.name: "default" for field in fields(Settings)}

    def put(source: str, found: Mapping[str, Any]) -> None:
        values.update(found)
        sources.update(dict.fromkeys(found, source))

    path = _config_path(config, environ, folder)
    if path is not None:
        put(_shown(path, folder), _read_file(path))
    for name, (variable, text) in _environment(environ).items():
        put(variable, {name: _from_text(variable, name, text)})
    for name, value in (options or {}).items():
        if value is not None and value != ():
            put(f"--{name.replace('_', '-')}", {name: value})
    if "url" not in values:
        data = folder / values.get("data", DEFAULTS.data)
        left = _left_by_dev(data / DEV_FILE)
        put(_shown(data / DEV_FILE, folder), {name: value for name, value in left.items() if name not in values})
    return Reading(settings=Settings(**values), sources=sources)


# ---- the file ---------------------------------------------------------------------------------------------------


def _config_path(config: Path | None, environ: Mapping[str, str], folder: Path) -> Path | None:
    named = config or (Path(environ[CONFIG_VARIABLE]) if environ.get(CONFIG_VARIABLE) else None)
    if named is not None:
        if not (folder / named).is_file():
            raise BadInput(f"no settings file {str(named)!r}")
        return folder / named
    return next((folder / name for name in CONFIG_FILES if (folder / name).is_file()), None)


def _shown(path: Path, folder: Path) -> str:
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else str(path)


def _read_file(path: Path) -> dict[str, Any]:
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise BadInput(f"{path}: cannot be read as TOML: {error}") from error
    return {name: _from_toml(f"{path}: {name}", name, value) for name, value in document.items()}


def _from_toml(where: str, name: str, value: Any) -> Any:
    kind = _kind(where, name)
    wanted = _TOML[kind]
    if type(value) not in wanted.types:
        raise BadInput(f"{where}: expected {wanted.expected}, got {value!r}")
    return _checked(where, name, value, wanted)


# ---- the environment ----------------------------------------------------------------------------------------------


def _environment(environ: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Setting → the variable it is found in, and its text. An empty variable counts as not set.

    A RQFLOW_ variable that is nearly one of ours is a slip, and refused; any other may be somebody else's."""
    found = {}
    known = {*URL_VARIABLES, CONFIG_VARIABLE, *(f"RQFLOW_{name.upper()}" for name in _KINDS)}
    for variable in environ:
        if variable.startswith("RQFLOW_") and variable not in known:
            close = difflib.get_close_matches(variable, known, n=1, cutoff=0.85)
            if close:
                raise BadInput(f"{variable}: no such variable; did you mean {close[0]}?")
    for field in fields(Settings):
        names = URL_VARIABLES if field.name == "url" else (f"RQFLOW_{field.name.upper()}",)
        given = [name for name in names if environ.get(name)]
        if given:
            found[field.name] = (given[0], environ[given[0]])
    return found


def _from_text(where: str, name: str, text: str) -> Any:
    wanted = _TEXT[_kind(where, name)]
    return _checked(where, name, text.strip(), wanted)


# ---- types ----------------------------------------------------------------------------------------------------------


_DURATION = re.compile(r"(\d+(?:\.\d+)?)\s*(ms|s|m|h|d|w)?", re.ASCII)
_UNITS: Final = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3_600.0, "d": 86_400.0, "w": 604_800.0}
_LONGEST: Final = timedelta(days=36_500)
EXPECTED_DURATION: Final = 'a duration such as "500ms", "2s", "1h30m" or "3d"'


def parse_duration(text: str) -> timedelta:
    """A duration as people write it; a bare number is seconds. Raises ValueError."""
    cleaned = text.strip().lower()
    position, seconds = 0, 0.0
    while position < len(cleaned):
        part = _DURATION.match(cleaned, position)
        if part is None:
            raise ValueError(f"expected {EXPECTED_DURATION}, got {text!r}")
        seconds += float(part[1]) * _UNITS[part[2] or "s"]
        position = part.end() + len(cleaned[part.end() :]) - len(cleaned[part.end() :].lstrip())
    if not cleaned or seconds > _LONGEST.total_seconds():
        raise ValueError(f"expected {EXPECTED_DURATION}, at most 100 years, got {text!r}")
    return timedelta(seconds=seconds)


def _duration(value: Any) -> timedelta:
    return parse_duration(str(value))


def _whole(value: Any) -> int:
    return int(str(value).replace("_", ""))


def _names(value: Any) -> tuple[str, ...]:
    parts = value.split(",") if isinstance(value, str) else value
    if not all(isinstance(part, str) for part in parts):
        raise ValueError("not all are texts")
    return tuple(part.strip() for part in parts if part.strip())


def _switch(value: Any) -> bool:
    return value if isinstance(value, bool) else {"1": True, "true": True, "yes": True, "0": False, "false": False,
                                                  "no": False}[value.lower()]  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Wanted:
    expected: str
    parse: Callable[[Any], Any]
    types: tuple[type, ...] = (str,)


_TOML: Final[dict[str, _Wanted]] = {
    "str": _Wanted("a text", str),
    "int": _Wanted("a whole number", int, (int,)),
    "bool": _Wanted("true or false", bool, (bool,)),
    "timedelta": _Wanted(EXPECTED_DURATION, _duration, (str, int, float)),
    "tuple[str, ...]": _Wanted("a list of texts", _names, (list,)),
}
_TEXT: Final[dict[str, _Wanted]] = {
    "str": _Wanted("a text", str),
    "int": _Wanted("a whole number", _whole),
    "bool": _Wanted("true or false", _switch),
    "timedelta": _Wanted(EXPECTED_DURATION, _duration),
    "tuple[str, ...]": _Wanted("names separated by commas", _names),
}
_KINDS: Final[dict[str, str]] = {field.name: str(field.type) for field in fields(Settings)}
_SMALLEST: Final = {
    "lease": timedelta(milliseconds=100),
    "cache": 0,
    "cache_bytes": 0,
    "contain_after": 0,
    "drain": timedelta(0),
}
"""Numbers and durations are at least 1 (of a millisecond, for a duration) unless this says otherwise."""


def _kind(where: str, name: str) -> str:
    kind = _KINDS.get(name)
    if kind is None:
        close = difflib.get_close_matches(name, _KINDS, n=1)
        hint = f"; did you mean {close[0]!r}?" if close else f"; known: {', '.join(sorted(_KINDS))}"
        raise BadInput(f"{where}: no such setting{hint}")
    return kind


def _checked(where: str, name: str, value: Any, wanted: _Wanted) -> Any:
    try:
        parsed = wanted.parse(value)
    except (ValueError, KeyError):
        raise BadInput(f"{where}: expected {wanted.expected}, got {value!r}") from None
    least = _SMALLEST.get(name, timedelta(milliseconds=1) if isinstance(parsed, timedelta) else 1)
    if isinstance(parsed, int | timedelta) and not isinstance(parsed, bool) and parsed < least:  # type: ignore[operator]
        raise BadInput(f"{where}: expected at least {least}, got {value!r}")
    if name == "log_level" and parsed not in LOG_LEVELS:
        raise BadInput(f"{where}: expected one of {', '.join(LOG_LEVELS)}, got {value!r}")
    return parsed


# ---- what `rqflow dev` leaves -----------------------------------------------------------------------------------


def _left_by_dev(path: Path) -> dict[str, str]:
    """Address and hub of a `rqflow dev` that runs in this folder; nothing if it has gone, even without a word."""
    try:
        left = json.loads(path.read_text(encoding="utf-8"))
        url, hub, pid = left["url"], left["hub"], left["pid"]
        if not isinstance(url, str) or not isinstance(hub, str) or type(pid) is not int or pid <= 0:
            return {}
        os.kill(pid, 0)
    except (OSError, ValueError, KeyError, TypeError, OverflowError):
        return {}
    return {"url": url, "hub": hub}
