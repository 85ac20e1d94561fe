"""Pace: findings about what makes a server slow, late or deaf: rights, latency, clock, scripts, streams, clients."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Final

from rqflow.backend.redis.doctor.examining import Examined
from rqflow.backend.redis.doctor.findings import Finding

SLOW_PING: Final = 0.005
"""Seconds; a step of a workflow is at least one round trip."""
STALL: Final = 0.1
"""Seconds that no single round trip should take."""
CLOCK: Final = 1.0
"""Seconds between Redis' clock and ours."""
JUMP: Final = 0.25
"""Seconds that its clock may gain or lose while we look, which takes less than a second."""
SHORTEST_LIMIT: Final = 1_000
"""Milliseconds a script must be allowed before others are told that Redis is busy."""
NODE_ENTRIES: Final = 1_000
NODE_BYTES: Final = 65_536
CROWDED: Final = 0.8


def unread(server: Examined) -> Iterator[Finding]:
    """What this user may not ask."""
    for command, reason in server.unread.items():
        if command == "INFO":
            yield Finding(
                server=str(server.endpoint),
                subject="rights",
                severity="risk",
                what="INFO is refused",
                risk="rqflow cannot know whether data are safe there, and does not open it",
                line="ACL SETUSER the user +info",
            )
            continue
        yield Finding(
            server=str(server.endpoint),
            subject="rights",
            severity="unknown",
            what=f"{command} is refused ({reason})",
            risk="what it would have told is not known, and nothing is said about it here",
            line="run it as the operator of config/users.acl, or read these settings elsewhere",
        )


def rights(server: Examined) -> Iterator[Finding]:
    """What this user is too weak for."""
    seen = partial(Finding, server=str(server.endpoint), subject="rights")
    if server.lacking is None:
        yield seen(
            severity="unknown",
            what="the server cannot say what its user may do (it can since 7.0)",
            risk="a right that is missing shows only when it is needed",
            line="compare the user with config/users.acl",
        )
        return
    if server.lacking["client"]:
        lacking = server.lacking["client"]
        yield seen(
            severity="risk",
            what=f"this user may not be a client, let alone a worker: it lacks {', '.join(lacking)}",
            risk="workers and clients fail when they come to it",
            line=f"ACL SETUSER the user {' '.join(f'+{one}' for one in lacking if one[0] != '~')} ~rqflow:* &rqflow:* "
            "(see config/users.acl)",
        )
    elif server.lacking["worker"]:
        yield seen(
            severity="advice",
            what=f"this user may be a client, not a worker: it lacks {', '.join(server.lacking['worker'])}",
            risk="fine if that is what it is for",
            line="see config/users.acl",
        )


def speed(server: Examined) -> Iterator[Finding]:
    """What work waits for."""
    seen = partial(Finding, server=str(server.endpoint), severity="advice")
    middle, worst = server.pings[len(server.pings) // 2], server.pings[-1]
    if middle > SLOW_PING or worst > STALL:
        yield seen(
            subject="latency",
            what=f"a round trip takes {middle * 1000:.1f} ms (median), {worst * 1000:.1f} ms at worst",
            risk="each step of a workflow takes at least one",
            line="run workers near Redis; look for a slow disk, a busy machine, other users of it",
        )
    for script, took in server.slow.items():
        yield seen(
            subject="slow log",
            what=f"script {script} took {took:.1f} ms",
            risk="everyone waited as long; it should take about 2 ms",
            line="look at rqflow stats for large inboxes and histories, and at the machine's load; SLOWLOG RESET",
        )
    if server.number("slowlog-log-slower-than", 0) < 0:
        yield seen(
            subject="slow log",
            what="the slow log is off",
            risk="what holds Redis up leaves no trace",
            line="slowlog-log-slower-than 10000",
        )
    bytes_, entries = server.number("stream-node-max-bytes", 4096), server.number("stream-node-max-entries", 100)
    if not 0 < entries <= NODE_ENTRIES or not 0 < bytes_ <= NODE_BYTES:
        yield seen(
            subject="streams",
            what=f"stream-node-max-entries {entries}, stream-node-max-bytes {bytes_}",
            risk="tasks that are done keep their memory until a whole node of the stream is empty",
            line="stream-node-max-entries 16 and stream-node-max-bytes 4096",
        )


def clock(server: Examined) -> Iterator[Finding]:
    """Redis' clock is the one that counts."""
    seen = partial(Finding, server=str(server.endpoint), subject="clock")
    if abs(server.ahead) > CLOCK:
        how = "ahead of" if server.ahead > 0 else "behind"
        yield seen(
            severity="advice",
            what=f"its clock is {abs(server.ahead):.1f} s {how} this machine's",
            risk="timers are exact, but start(at=…) and schedules count by Redis' clock, not by yours",
            line="run NTP (chrony) on both",
        )
    if abs(server.jump) > JUMP:
        yield seen(
            severity="risk",
            what=f"its clock moved {server.jump:+.1f} s while we looked",
            risk="a jump forward fires timers and ends leases early, one back delays them",
            line="let NTP slew the clock, not step it",
        )


def limits(server: Examined) -> Iterator[Finding]:
    """What cuts workers and clients off."""
    seen = partial(Finding, server=str(server.endpoint))
    limit = server.number("lua-time-limit", SHORTEST_LIMIT)
    if 0 < limit < SHORTEST_LIMIT:
        yield seen(
            severity="risk",
            subject="scripts",
            what=f"lua-time-limit {limit} ms",
            risk="a slow moment of the machine makes Redis answer BUSY to everybody",
            line="lua-time-limit 5000",
        )
    if server.number("timeout"):
        yield seen(
            severity="advice",
            subject="clients",
            what=f"timeout {server.number('timeout')}",
            risk="Redis hangs up on workers that wait for work; they connect again and again",
            line="timeout 0 (and tcp-keepalive 60)",
        )
    room, used = server.number("maxclients", 0), server.number("connected_clients")
    if room and used > room * CROWDED:
        yield seen(
            severity="risk",
            subject="clients",
            what=f"{used:,} of {room:,} connections are in use",
            risk="the next worker or client is turned away",
            line="maxclients 10000",
        )
