"""P4: any prefix of a history gives the same commands; cached, cold and split replays agree."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import replace
from hashlib import sha256
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rqflow.core.commands import Continue, Decision
from rqflow.core.events import Stamped
from rqflow.core.executor import Executor
from rqflow.core.wire import decode, encode
from tests.core.random_play import play
from tests.core.shapes import SHAPES
from tests.core.stage import Stage

shapes_and_seeds = st.tuples(st.sampled_from(sorted(SHAPES)), st.integers(0, 10_000))


def turns_of(stage: Stage) -> list[tuple[list[Stamped], list[Stamped], Decision]]:
    """For each turn: its news, its news with the records and the end that followed, and the decision."""
    turns, rest = [], list(stage.history)
    for news, decision in stage.turns:
        size = len(news) + len(decision.commands) + (decision.close is not None)
        turns.append((news, rest[:size], decision))
        rest = rest[size:]
    assert not rest
    return turns


def quiet(decision: Decision) -> Decision:
    """Without warnings, which are for humans and told once."""
    return replace(decision, warnings=())


@given(shapes_and_seeds)
def test_p4_every_prefix_of_a_history_leads_to_the_same_decision(drawn: tuple[str, int]) -> None:
    """[P4] A worker that knows nothing, given all turns before and the news of the next, decides what was decided."""
    stage = play(*drawn)
    before: list[Stamped] = []
    for news, whole, decision in turns_of(stage):
        fresh = Executor(stage.definition)
        assert quiet(fresh.advance(before + news, replayed=len(before))) == quiet(decision)
        before += whole
        assert fresh.length == len(before)


@given(shapes_and_seeds)
def test_p4_a_cold_replay_of_a_whole_history_wants_nothing_more(drawn: tuple[str, int]) -> None:
    """[P4] The whole history at once, with its end, is followed without a command, a close or a warning."""
    stage = play(*drawn)
    cold = stage.replay()
    assert cold.ended == stage.executor.ended
    assert cold.info == stage.executor.info


@given(shapes_and_seeds, st.integers())
def test_p4_a_history_split_anywhere_between_turns_is_followed_alike(drawn: tuple[str, int], seed: int) -> None:
    """[P4] However many turns are handed over at once, nothing is asked for twice and nothing is missed."""
    stage, chance = play(*drawn), Random(seed)
    executor, part = Executor(stage.definition), list[Stamped]()
    for _, whole, _ in turns_of(stage):
        part += whole
        if chance.random() < 0.5:
            assert executor.advance(part, replayed=len(part)) == Decision()
            part = []
    assert executor.advance(part, replayed=len(part)) == Decision() if part else True
    assert executor.length == len(stage.history)


@given(shapes_and_seeds)
def test_p4_commands_depend_on_the_news_and_not_on_how_they_were_batched(drawn: tuple[str, int]) -> None:
    """[P4] The news one by one give the same commands and the same end as in the batches that they came in."""
    stage = play(*drawn)
    one_by_one, commands, close = Executor(stage.definition), list[Any](), None
    for news, _ in stage.turns:
        for each in news:
            if close is None:
                decision = one_by_one.advance([each])
                commands += decision.commands
                close = decision.close
    assert commands == stage.commands
    assert ended(close) == ended(stage.last.close)


def ended(close: Any) -> Any:
    # What came after the end in the same batch is carried too, and is not there when the news come one by one.
    return replace(close, carried=()) if isinstance(close, Continue) else close


@given(shapes_and_seeds)
def test_p4_a_history_survives_its_encoding(drawn: tuple[str, int]) -> None:
    """[P4] Decoded from its bytes, a history leads to the same state."""
    stage = play(*drawn)
    again = [replace(each, event=decode(encode(each.event))) for each in stage.history]
    assert again == stage.history
    assert Executor(stage.definition).advance(again, replayed=len(again)) == Decision()


def fingerprint() -> str:
    """All commands of all shapes, as one digest."""
    digest = sha256()
    for shape in sorted(SHAPES):
        for seed in range(6):
            digest.update(repr(play(shape, seed).history).encode())
    return digest.hexdigest()


@pytest.mark.parametrize("hash_seed", ["0", "1", "4711"])
def test_p4_commands_do_not_depend_on_the_hash_seed_of_the_process(hash_seed: str) -> None:
    """[P4] Another process, with other hashes of strings and other addresses, gives the same commands."""
    code = "from tests.core.test_p4_replay import fingerprint; print(fingerprint())"
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(sys.path)}
    answer = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True, timeout=50
    )
    assert answer.stdout.strip() == fingerprint()


def test_the_corpus_ends_in_every_way() -> None:
    """The random plays reach completion, failure, cancellation, continue-as-new and the bound of turns."""
    seen = {type(play(shape, seed).last.close).__name__ for shape in SHAPES for seed in range(15)}
    assert seen == {"WorkflowCompleted", "WorkflowFailed", "WorkflowCanceled", "Continue", "NoneType"}
