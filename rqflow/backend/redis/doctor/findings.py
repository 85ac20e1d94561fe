"""Findings: what the doctor saw, what it risks, and the line to change."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from rqflow.backend.calls.hubs import HubInfo

Severity: TypeAlias = Literal["risk", "advice", "unknown"]
"""Something can be lost or come to a stop; something could be better; something could not be read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing about one server."""

    severity: Severity
    server: str
    subject: str
    """A word to look for: persistence, memory, replicas, rights, …"""
    what: str
    """What was seen."""
    risk: str
    """What it can lead to."""
    line: str = ""
    """What to write into redis.conf, or to run."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerSummary:
    """One server in a line."""

    server: str
    kind: str
    """redis or valkey."""
    version: str
    role: str
    mode: str
    """standalone or cluster; sentinel where sentinels led to it."""
    persistence: str
    replicas: int
    latency_ms: float
    """Median of the round trips that were measured."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """All that the doctor has to say."""

    servers: tuple[ServerSummary, ...]
    hubs: tuple[HubInfo, ...]
    findings: tuple[Finding, ...] = field(default=())
    """The gravest first."""

    @property
    def safe(self) -> bool:
        """Nothing was found that puts work at risk."""
        return not any(finding.severity == "risk" for finding in self.findings)
