"""Child ids: whatever a client may call an instance, a parent may call its child."""

from __future__ import annotations

import pytest

from rqflow.authoring.workflow_face import workflow
from rqflow.errors import BadInput
from tests.worker.ground import Ground


@workflow
async def named() -> str:
    """Says how it is called."""
    return workflow.info().instance


@workflow
async def names(id: str) -> str:
    """Has a child of this name."""
    try:
        return await workflow.execute_child(named.options(id=id))
    except BadInput as error:
        return str(error)


@pytest.mark.parametrize("id", ["注文 42", "👩\u200d🚀 à la carte", "{tag}:*?[x]", "a\u202eb", "é" * 256])
async def test_a_child_may_have_any_text_as_its_id(ground: Ground, id: str) -> None:
    """Joined emoji, other directions of writing, characters that Redis reads as patterns, the longest."""
    async with ground.worker(names, named):
        assert await ground.result(await ground.start(names, id)) == id
        assert (await ground.describe(id)).workflow == "named"


@pytest.mark.parametrize(("id", "says"), [("a\nb", "control characters"), ("", "1 to 512"), ("x" * 10_240, "1 to 512")])
async def test_a_child_id_that_cannot_be_is_refused_where_it_is_given(
    memory_ground: Ground, id: str, says: str
) -> None:
    """[A2] The error names the workflow and the limit, and the parent may go on."""
    async with memory_ground.worker(names, named):
        told = await memory_ground.result(await memory_ground.start(names, id))
    assert told.startswith("workflow named: child id")
    assert says in told
