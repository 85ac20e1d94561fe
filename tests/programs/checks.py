"""Checks: a program is run, and all that can be seen of it is held against what may be."""

from __future__ import annotations

import asyncio
from random import Random

from rqflow.backend.protocol import Backend
from tests.programs.errands import Errands
from tests.programs.interpret import faults, run_program
from tests.programs.language import Leave, Program, walk
from tests.programs.reference import Outcome, Unsure, child_outcomes, outcomes
from tests.programs.replays import check_cold, check_pieces, check_prefixes, runs_of
from tests.programs.world import Crew, World
from tests.promises.evidence import check_history


def allowed(program: Program, *, timeless: bool = False) -> tuple[set[Outcome] | None, str]:
    """What may come of it, or None: anything, and why."""
    try:
        return outcomes(program, timeless=timeless), ""
    except Unsure as why:
        return None, f"unsure: {why}"


def check(program: Program, crew: Crew, seed: int = 0) -> list[str]:
    """Run a program in memory, and check everything. What was special about it, for statistics."""
    return asyncio.run(_check(program, crew, seed))


async def _check(program: Program, crew: Crew, seed: int) -> list[str]:
    may, unsure = allowed(program)
    faults.clear()
    async with World(crew).open() as world:
        await world.play(program)
        came = await check_outcome(world.errands, may)
        await _check_left(program, world)
        for each in await world.instances():
            await check_replays(world.backend, each, seed)
    assert not faults, faults
    return [f"outcome: {came[0]}", f"deaths: {world.deaths}", *filter(None, [unsure])]


async def check_outcome(errands: Errands, may: set[Outcome] | None) -> Outcome:
    """[P1, P5, P8] It came to what the reference allows, and each update was answered once, in order."""
    came = await errands.outcome()
    assert may is None or came in may, f"it came to {came}, and the reference allows {sorted(may)}"
    accepted = await errands.accepted()
    assert accepted == list(range(1, len(accepted) + 1)), f"updates were answered {accepted}"
    return came


async def _check_left(program: Program, world: World) -> None:
    """Children that were left to themselves ended by themselves, or as their policy says."""
    there = set(await world.instances())
    for body in program.runs:
        for node in walk(body):
            name = f"{world.errands.instance}.{getattr(node, 'tag', '')}"
            if not isinstance(node, Leave) or node.policy == "cancel" or name not in there:
                continue
            try:
                may = child_outcomes(node.body)
            except Unsure:
                continue
            if node.policy == "terminate":
                may.add(("never",))
            came = await world.errands.outcome(name)
            assert came in may, f"the child {name} came to {came}, and the reference allows {sorted(may)}"


async def check_replays(backend: Backend, instance: str, seed: int) -> None:
    """[P2, P4] The history of each run is whole, and followed alike from every prefix, in pieces, and at once."""
    for history in await runs_of(backend, instance):
        check_history([stamp.event for stamp in history])
        check_prefixes(run_program, history)
        check_pieces(run_program, history, Random(seed))
        check_cold(run_program, history)
