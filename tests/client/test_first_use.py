"""First use: what a new server does not have yet, such as scripts, changes the meaning of no order."""

from __future__ import annotations

from contextlib import closing

import pytest

from rqflow.backend.opening import open_backend, open_sync_backend
from rqflow.backend.redis.embedded import EmbeddedServer
from rqflow.client.asynchronous import AsyncClient
from rqflow.client.starting import Request
from rqflow.errors import InstanceNotFound
from rqflow.worker.worker import Worker
from tests.client.flows import cart, registry


async def test_p2_a_start_goes_before_its_update_on_a_server_that_knows_updates_only(
    redis_server: EmbeddedServer,
) -> None:
    """An update to nobody taught the server one script of two: the start is carried out first all the same."""
    url = redis_server.url
    backend = await open_backend(url)
    with closing(open_sync_backend(url)) as leases:
        async with Worker(registry(), backend=backend, leases=leases):
            client = AsyncClient(url)
            with pytest.raises(InstanceNotFound):
                await client.update("nobody", "set_limit", 3)
            assert await client.update_with_start(Request.of(cart, id="a"), "set_limit", (5,)) == 10
            await client.close()
    await backend.close()
