"""Shop: activities and values that the tests of this folder share."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta

from rqflow.authoring.activity_face import activity
from rqflow.core.options import Retry


@dataclass
class Order:
    id: str
    total: float = 1.0


@dataclass
class Approval:
    by: str


@activity(queue="payments", retry=Retry(max_attempts=5), timeout=timedelta(seconds=30))
async def charge(order: Order) -> str:
    return f"charged {order.id}"


@activity
def send_mail(to: str, *, urgent: bool = False) -> None: ...


@activity
async def refund(payment: str) -> int:
    return len(payment)
