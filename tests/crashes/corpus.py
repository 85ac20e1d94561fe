"""Corpus: all shapes by name, and how one of them is played with its deaths."""

from __future__ import annotations

import zlib
from typing import Any, Final

from rqflow.testing.crash_points import CrashPoint
from rqflow.testing.crashes import CrashOptions, CrashReport, crash_at_every_call
from rqflow.worker.options import WorkerOptions
from tests.crashes import shapes_of_families, shapes_of_local, shapes_of_messages, shapes_of_steps
from tests.crashes.steps import EFFECTS, Shape

SHAPES: Final[dict[str, Shape]] = {
    shape.workflow.name: shape
    for shapes in (shapes_of_steps, shapes_of_local, shapes_of_messages, shapes_of_families)
    for shape in shapes.SHAPES
}


def play(name: str, *, cache_size: int, **options: Any) -> CrashReport:
    """A shape with a death at every call, or at a share of them."""
    shape, usual = SHAPES[name], set[str]()

    def compare(point: CrashPoint | None) -> None:
        # P5: the keys of effects are those of the undisturbed run; what is not wanted any more may not even begin.
        if point is None:
            usual.update(EFFECTS)
        elif shape.expect is None:
            assert set(EFFECTS) <= usual, f"effects under other keys: {set(EFFECTS) - usual}"

    chosen: dict[str, Any] = {
        "worker": WorkerOptions(seed=1, build="crash", cache_size=cache_size),
        "before_each": EFFECTS.clear,
        "after_each": compare,
        **options,
    }
    return crash_at_every_call(
        shape.workflow, *shape.args, script=shape.script, expect=shape.expect, options=CrashOptions(**chosen)
    )


def offset_of(name: str, every: int) -> int:
    """Where a share begins: elsewhere for each shape, so that all places have their turn."""
    return zlib.crc32(name.encode()) % every
