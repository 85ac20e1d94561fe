"""Sending: calls go out together; one that cannot even be written down harms no other."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from rqflow.backend.calls.call import Call
from rqflow.backend.protocol import Backend
from rqflow.errors import BackendError, RqflowError

logger = logging.getLogger("rqflow.worker")


async def send_each(backend: Backend, calls: Sequence[Call[Any]]) -> list[Any]:
    """As `Backend.send`; should the batch itself raise (a fault of ours), each call is sent alone.

    What was carried out already is then refused by its fence. Raises BackendError.
    """
    try:
        return await backend.send(calls)
    except BackendError:
        raise
    except Exception:
        logger.exception("a batch of %d calls could not be sent, sending each alone", len(calls))
    answers: list[Any] = []
    for call in calls:
        try:
            answers += await backend.send([call])
        except BackendError:
            raise
        except Exception as error:
            answers.append(RqflowError(f"{type(call).__name__} could not be sent: {error!r}"))
    return answers
