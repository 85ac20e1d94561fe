"""Machine: where and when a run was done, as far as it bears on its figures."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from rqflow.backend.redis.embedded import find_server


def machine() -> dict[str, str]:
    """Facts by name."""
    server = subprocess.run([find_server(), "--version"], capture_output=True, text=True, check=True).stdout
    version = next((word.removeprefix("v=") for word in server.split() if word.startswith("v=")), server.strip())
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": _processor(),
        "cores": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.release()}",
        "Python": platform.python_version(),
        "Redis": version,
        "redis-py": metadata.version("redis"),
        "load before": load(),
    }


def load() -> str:
    """Processes that wanted a core, on the average of the last minute."""
    return f"{os.getloadavg()[0]:.1f}"


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())
