"""Orders: a checkout that charges, reserves, waits for an approval, and takes all of it back if a later step fails."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import dataclass, field
from datetime import timedelta

from rqflow import Retry, activity, workflow


@dataclass
class Order:
    """What a customer wants."""

    id: str
    total: float
    items: list[str] = field(default_factory=lambda: ["book"])
    address: str = "1 Main Street"
    email: str = "customer@example.com"
    approve_within: timedelta = timedelta(days=3)
    cool_off: timedelta = timedelta(seconds=1)
    """How long after the approval the parcel is held back, should they think again."""


@dataclass
class Approval:
    """Who let the order through."""

    by: str
    note: str = ""


@dataclass
class Receipt:
    """What came of it."""

    order: str
    payment: str
    reservation: str
    parcel: str
    approved_by: str


class Declined(Exception):
    """The bank says no; asking again is of no use."""


class OutOfStock(Exception):
    """There is none left; asking again is of no use."""


class Undeliverable(Exception):
    """Nobody brings parcels there; asking again is of no use."""


PROVIDER = Retry(max_attempts=5, initial=timedelta(milliseconds=200), non_retryable=("Declined", "OutOfStock",
                 "Undeliverable"))  # fmt: skip
WITHIN = timedelta(seconds=30)


@workflow
async def checkout(order: Order) -> Receipt:
    """Charge and reserve, have it approved, ship it. If that fails, or is canceled, what was done is taken back."""
    stage = "paying"

    @workflow.on_query
    def contents() -> list[str]:
        return order.items

    @workflow.on_query("stage")
    def tell_stage() -> str:
        return stage

    def check_address(address: str) -> None:
        if not address.strip():
            raise ValueError("an address is needed")
        if stage == "shipped":
            raise ValueError("the parcel is on its way already")

    @workflow.on_update(validator=check_address)
    def change_address(address: str) -> str:
        before, order.address = order.address, address
        return before

    async with workflow.saga() as saga:
        # Both are awaited whatever becomes of the other: one that was let go could still happen unseen.
        charged, reserved = await asyncio.gather(charge(order), reserve(order), return_exceptions=True)
        if isinstance(charged, str):
            saga.add(refund, order, charged)
        if isinstance(reserved, str):
            saga.add(release, order, reserved)
        payment, reservation = unless_failed(charged), unless_failed(reserved)

        stage = "waiting for approval"
        workflow.set_status({"stage": stage, "total": order.total})
        async with asyncio.timeout(order.approve_within.total_seconds()):
            approval = await workflow.receive("approve", Approval)

        stage = "cooling off"
        workflow.set_status({"stage": stage, "approved_by": approval.by})
        await asyncio.sleep(order.cool_off.total_seconds())
        parcel = await ship(order)
    stage = "shipped"
    workflow.set_status({"stage": stage, "parcel": parcel})
    await send_mail(order.email, f"order {order.id} is on its way as {parcel}")
    return Receipt(order.id, payment, reservation, parcel, approval.by)


def unless_failed(found: str | BaseException) -> str:
    """What an activity gave, or raised."""
    if isinstance(found, BaseException):
        raise found
    return found


# ---- activities: a bank, a warehouse and a post office that know a request when they see it again -----------------


@activity(retry=PROVIDER, timeout=WITHIN)
async def charge(order: Order) -> str:
    """Take the money. The idempotency key makes a repeated request the same payment."""
    if order.total <= 0:
        raise Declined(f"cannot charge {order.total}")
    return numbered("pay")


@activity(retry=PROVIDER, timeout=WITHIN)
async def refund(order: Order, payment: str) -> None:
    """Give the money back."""
    activity.logger.info("refunded %s of order %s", payment, order.id)


@activity(retry=PROVIDER, timeout=WITHIN)
async def reserve(order: Order) -> str:
    """Put the items aside."""
    missing = [item for item in order.items if item.startswith("sold out")]
    if missing:
        raise OutOfStock(", ".join(missing))
    return numbered("res")


@activity(retry=PROVIDER, timeout=WITHIN)
async def release(order: Order, reservation: str) -> None:
    """Put the items back."""
    activity.logger.info("released %s of order %s", reservation, order.id)


@activity(retry=PROVIDER, timeout=WITHIN)
async def ship(order: Order) -> str:
    """Hand the parcel over."""
    if order.address == "nowhere":
        raise Undeliverable(order.address)
    return numbered("parcel")


@activity(retry=PROVIDER, timeout=WITHIN)
def send_mail(to: str, text: str) -> None:
    """Write to the customer. A plain function: it runs in a thread."""
    activity.logger.info("mail to %s: %s", to, text)


def numbered(kind: str) -> str:
    """A number that stays the same however often this activity is tried, as a provider's answer would."""
    return f"{kind}-{hashlib.sha256(activity.info().idempotency_key.encode()).hexdigest()[:12]}"
