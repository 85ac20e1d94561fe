"""Schedule rows: schedules, slots and plans as JSON documents and as text for people."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from rqflow.cli.screen import Column, iso, local, show_facts, show_json, show_table, span
from rqflow.client.schedule_applying import Change
from rqflow.client.schedule_reading import Schedule
from rqflow.schedules.cron import read_cron
from rqflow.schedules.slots import moment_of
from rqflow.schedules.streams import policies_of
from rqflow.schedules.timetable import Slot, Timetable
from rqflow.schedules.zones import zone_of

VERB_STYLES = {"create": "green", "change": "yellow", "delete": "red", "keep": "dim"}
STATUS_STYLES = {"active": "green", "paused": "yellow", "broken": "bold red", "done": "dim"}


def status_of(found: Schedule) -> str:
    """active, paused, broken; done: nothing is to come."""
    if found.broken:
        return "broken"
    return "paused" if found.paused else "active" if found.next is not None else "done"


def when(timetable: Timetable) -> str:
    """Its specs, or its interval."""
    if timetable.every is None:
        return " | ".join(timetable.cron)
    return f"every {span(timetable.every)}" + (f" + {span(timetable.offset)}" if timetable.offset else "")


def policies(timetable: Timetable, schedule: str) -> tuple[str, str]:
    """The DST policies as they hold for its specs, and whether they were chosen or follow from the spec."""
    specs = [read_cron(text, seconds=timetable.seconds, schedule=schedule) for text in timetable.cron]
    pairs = [policies_of(timetable, spec) for spec in specs]
    gaps, overlaps = (" | ".join(dict.fromkeys(part)) for part in zip(*pairs, strict=True)) if pairs else ("", "")
    return (
        gaps + (" (auto)" if timetable.on_gap == "auto" and gaps else ""),
        overlaps + (" (auto)" if timetable.on_overlap == "auto" and overlaps else ""),
    )


def rule_text(slot: Slot) -> str:
    """Which DST rule touched a slot, in words."""
    wall = "" if slot.wall is None else f"{slot.wall:%H:%M}"
    said = {
        "shifted": f"{wall} does not exist that day: moved",
        "first": f"{wall} comes twice: the first",
        "second": f"{wall} comes twice: the second",
        "": "",
    }[slot.rule]
    left = f"{slot.left_out} before it left out: their times do not exist" if slot.left_out else ""
    return "; ".join(filter(None, (said, left)))


# ---- slots -------------------------------------------------------------------------------------------------------


def plain_slot(slot: Slot, zone: ZoneInfo) -> dict[str, Any]:
    """A slot for scripts."""
    return {
        "slot": iso(slot.at),
        "fires_at": iso(slot.fires_at),
        "local": slot.at.astimezone(zone).isoformat(timespec="seconds"),
        "rule": slot.rule,
        "wall": None if slot.wall is None else slot.wall.isoformat(timespec="seconds"),
        "left_out": slot.left_out,
    }


def show_slots(slots: list[Slot], timetable: Timetable, schedule: str, *, as_json: bool) -> None:
    """What fires next, in the schedule's zone and in UTC, with the DST rule that touched any of it."""
    zone = zone_of(timetable.zone)
    gap, overlap = policies(timetable, schedule)
    if as_json:
        plain = [plain_slot(slot, zone) for slot in slots]
        show_json({"zone": timetable.zone, "on_gap": gap, "on_overlap": overlap, "slots": plain})
        return
    show_facts((("when", when(timetable)), ("zone", timetable.zone), ("on_gap", gap), ("on_overlap", overlap)))
    jitter = bool(timetable.jitter)
    columns = [Column(timetable.zone), Column("UTC"), *([Column("FIRES")] if jitter else []), Column("CLOCK CHANGE")]
    show_table(
        columns,
        [
            (
                f"{slot.at.astimezone(zone):%a %Y-%m-%d %H:%M:%S %z}",
                f"{slot.at.astimezone(UTC):%Y-%m-%d %H:%M:%S}",
                *([f"+{span(slot.fires_at - slot.at)}"] if jitter else []),
                rule_text(slot),
            )
            for slot in slots
        ],
    )


# ---- schedules ---------------------------------------------------------------------------------------------------


def plain_schedule(found: Schedule) -> dict[str, Any]:
    """A schedule for scripts."""
    state = found.state
    return {
        "id": found.id,
        "status": status_of(found),
        "workflow": found.spec.action.workflow,
        "arguments": found.arguments,
        "timetable": asdict(found.spec.timetable),
        "policy": asdict(found.spec.policy),
        "action": asdict(found.spec.action),
        "notes": found.spec.notes,
        "origin": found.spec.origin,
        "paused": found.paused,
        "reason": state.reason,
        "broken": found.broken,
        "next": None if found.next is None else plain_slot(found.next, zone_of(found.spec.timetable.zone)),
        "last_success": _moment(state.last_success_ms),
        "result": found.result,
        "failures_in_a_row": state.failures,
        "counts": asdict(state.counts),
        "running": [
            {"instance": one.instance, "slot": _moment(one.slot_ms), "kind": one.kind} for one in state.running
        ],
        "waiting": [{"slot": _moment(one.slot_ms), "kind": one.kind} for one in state.waiting],
        "backfills": [
            {
                "id": one.id, "start": _moment(one.start_ms), "end": _moment(one.end_ms), "limit": one.limit,
                "done_to": _moment(one.cursor_ms), "started": one.started,
            }
            for one in state.backfills
        ],
        "recent": [{**asdict(one), "slot_ms": None, "slot": _moment(one.slot_ms)} for one in state.recent],
        "created_at": iso(found.created_at),
    }  # fmt: skip


def show_list(found: list[Schedule]) -> None:
    """One line each."""
    show_table(
        (
            Column("SCHEDULE"), Column("STATUS", styles=STATUS_STYLES), Column("WORKFLOW"), Column("WHEN"),
            Column("ZONE"), Column("NEXT"), Column("RUNNING", right=True), Column("FAILED", right=True),
        ),
        [
            (
                one.id, status_of(one), one.spec.action.workflow, when(one.spec.timetable), one.spec.timetable.zone,
                "" if one.next is None else local(one.next.at), len(one.state.running), one.state.counts.failed,
            )
            for one in found
        ],
    )  # fmt: skip


def show_schedule(found: Schedule) -> None:
    """All of it for people."""
    state = found.state
    upcoming = ""
    if found.next is not None:
        upcoming = f"{_in_zone(found.next.at, found.spec.timetable)}  {rule_text(found.next)}".rstrip()
    paused = f": {state.reason}" if state.reason and found.paused else ""
    show_facts(
        (
            ("schedule", found.id),
            ("status", status_of(found) + paused),
            ("broken", found.broken),
            ("next", upcoming),
            *_when_facts(found),
            *_how_facts(found),
            *_standing_facts(found),
        )
    )
    if state.recent:
        titles = ("SLOT", "KIND", "OUTCOME", "INSTANCE", "SLOTS")
        newest = [(_moment(o.slot_ms), o.kind, o.outcome, o.instance, o.count) for o in reversed(state.recent)]
        show_table([Column(title) for title in titles], newest)


def _when_facts(found: Schedule) -> tuple[tuple[str, object], ...]:
    timetable = found.spec.timetable
    gap, overlap = ("", "") if found.broken else policies(timetable, found.id)
    return (
        ("when", when(timetable)),
        ("zone", timetable.zone),
        ("on_gap", gap),
        ("on_overlap", overlap),
        ("except", " | ".join((*timetable.except_cron, *map(str, timetable.except_dates)))),
        ("from", "" if timetable.start is None else _in_zone(timetable.start, timetable)),
        ("until", "" if timetable.end is None else _in_zone(timetable.end, timetable)),
        ("jitter", span(timetable.jitter) if timetable.jitter else ""),
    )


def _how_facts(found: Schedule) -> tuple[tuple[str, object], ...]:
    action, policy = found.spec.action, found.spec.policy
    return (
        ("workflow", action.workflow),
        ("arguments", found.arguments or ""),
        ("queue", action.queue),
        ("template", action.template),
        ("overlap", policy.overlap + (f", up to {policy.buffer_limit}" if policy.overlap == "buffer_all" else "")),
        ("catch up", span(policy.catch_up)),
        ("pause after", f"{policy.pause_after} failures in a row" if policy.pause_after else ""),
        ("max runs", policy.max_runs),
        ("notes", found.spec.notes),
        ("origin", found.spec.origin),
        ("created", local(found.created_at)),
    )


def _standing_facts(found: Schedule) -> tuple[tuple[str, object], ...]:
    state, counts = found.state, found.state.counts
    under_way = (f"{one.id}: {one.started} started, up to {_moment(one.cursor_ms)}" for one in state.backfills)
    return (
        ("runs", f"{counts.slots} for slots, {counts.triggers} triggered, {counts.backfills} backfilled"),
        ("left out", f"{counts.skipped} by overlap, {counts.missed} missed, {counts.refused} refused"),
        ("ended", f"{counts.completed} completed, {counts.failed} failed, {counts.other_ends} otherwise"),
        ("last success", _moment(state.last_success_ms)),
        ("running", "\n".join(one.instance for one in state.running[:10])),
        ("waiting", len(state.waiting) or ""),
        ("backfills", "\n".join(under_way)),
    )


def _in_zone(moment: datetime, timetable: Timetable) -> str:
    return f"{moment.astimezone(zone_of(timetable.zone)):%a %Y-%m-%d %H:%M:%S %z}"


def _moment(ms: int | None) -> str | None:
    return None if ms is None else iso(moment_of(ms))


# ---- plans -------------------------------------------------------------------------------------------------------


def plain_change(change: Change) -> dict[str, Any]:
    """A change for scripts."""
    differences = [{"field": name, "from": before, "to": after} for name, before, after in change.differences]
    return {"id": change.id, "verb": change.verb, "differences": differences}


def show_plan(changes: list[Change], *, dry_run: bool) -> None:
    """What becomes of each schedule, and how many of each kind."""
    rows = [
        (one.verb, one.id, "; ".join(f"{n}: {_value(b)} -> {_value(a)}" for n, b, a in one.differences))
        for one in changes
    ]
    show_table((Column("", styles=VERB_STYLES), Column("SCHEDULE"), Column("WHAT CHANGES", fold=True)), rows)
    counts = {verb: sum(one.verb == verb for one in changes) for verb in VERB_STYLES}
    told = ", ".join(f"{count} to {verb}" for verb, count in counts.items())
    show_facts((("plan" if dry_run else "applied", told),))


def _difference(name: str, before: Any, after: Any) -> str:
    return f"{name}: {_value(before)} -> {_value(after)}"


def _value(value: Any) -> str:
    if isinstance(value, datetime):
        return str(iso(value))
    if isinstance(value, tuple):
        return " | ".join(map(_value, value)) or "none"
    return str(value) if value not in (None, "") else "none"
