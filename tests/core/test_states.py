"""States: the tables of instances and commands, walked from end to end."""

from __future__ import annotations

import pytest

from rqflow.core.states import CLOSED, COMMAND, INSTANCE, INSTANCE_STATUSES, OPEN, Table, advance
from rqflow.errors import IllegalTransition


def reachable(table: Table, start: str) -> set[str]:
    """All states that a walk from `start` can come to."""
    seen, edge = {start}, [start]
    while edge:
        state = edge.pop()
        for (before, _), after in table.items():
            if before == state and after not in seen:
                seen.add(after)
                edge.append(after)
    return seen


def test_every_status_of_an_instance_is_reached_from_its_start() -> None:
    """The table knows the statuses that the rest of rqflow names, and no others."""
    assert reachable(INSTANCE, "pending") == set(INSTANCE_STATUSES)
    assert {before for before, _ in INSTANCE} == OPEN


def test_what_is_closed_stays_closed() -> None:
    """No trigger leads out of an end."""
    assert not CLOSED & {before for before, _ in INSTANCE}
    assert set(INSTANCE_STATUSES) == CLOSED | OPEN


@pytest.mark.parametrize("status", sorted(OPEN))
def test_every_open_instance_can_be_terminated_suspended_and_cancelled(status: str) -> None:
    """Operators are never without a handle; who is suspended already need not be suspended."""
    assert advance(INSTANCE, status, "terminate") == "terminated"
    assert status == "suspended" or advance(INSTANCE, status, "suspend") == "suspended"
    assert advance(INSTANCE, status, "cancel") in OPEN


def test_every_state_of_a_command_is_reached_from_its_start() -> None:
    """Asked for, recorded, taken back, done."""
    states = reachable(COMMAND, "pending")
    assert states == {"pending", "committed", "canceled", "cancel_requested", "done"}
    assert "done" in reachable(COMMAND, "cancel_requested")


@pytest.mark.parametrize("table", [INSTANCE, COMMAND])
def test_what_is_not_in_the_table_cannot_happen(table: Table) -> None:
    """Every pair is an edge or an error that names both."""
    states = {state for state, _ in table} | set(table.values())
    triggers = {trigger for _, trigger in table}
    for state in states:
        for trigger in triggers:
            if (state, trigger) in table:
                assert advance(table, state, trigger) == table[state, trigger]
            else:
                with pytest.raises(IllegalTransition) as caught:
                    advance(table, state, trigger)
                assert (caught.value.state, caught.value.trigger) == (state, trigger)
