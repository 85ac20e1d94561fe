"""Claims: what an instance says of one in another partition, settled although no one look sees both."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from rqflow.backend.protocol import partition_of
from rqflow.backend.redis.hubs import Errand
from rqflow.backend.redis.keys import suffix
from rqflow.backend.redis.resp import text_of
from rqflow.backend.redis.verify.looks import Looks
from rqflow.backend.redis.verify.violations import Finding

BATCH: Final = 200


@dataclass(frozen=True, slots=True)
class Claim:
    """See lua/parts/claims.lua."""

    partition: int
    kind: str
    instance: bytes
    field: bytes
    other: bytes
    mark: bytes

    def at(self, partitions: int) -> int:
        """The partition of the other instance."""
        return partition_of(text_of(self.other), partitions)


def read_claims(partition: int, reply: Iterable[Sequence[bytes]]) -> list[Claim]:
    """Claims as scripts answer them."""
    return [Claim(partition, text_of(kind), *rest) for kind, *rest in reply]


def settle(looks: Looks, claims: Iterable[Claim]) -> Errand[list[Claim]]:
    """Find those that are not met. Returns those on which messages under way may still bear: look again later."""
    groups: dict[tuple[int, int], list[Claim]] = {}
    for claim in claims:
        groups.setdefault((claim.partition, claim.at(looks.hub.partitions)), []).append(claim)
    left: list[Claim] = []
    for (source, target), group in groups.items():
        for first in range(0, len(group), BATCH):
            left += yield from _settle(looks, source, target, group[first : first + BATCH])
    return left


def _settle(looks: Looks, source: int, target: int, claims: list[Claim]) -> Errand[list[Claim]]:
    """Three looks, one after another.

    Nothing on its way from here, then the other one does not meet the claim and nothing is on its way back, and after
    that the claim is still made: then no message can be what it waits for. (A message is delivered before it is
    dropped from its outbox.)
    """
    made = [(claim.kind, claim.instance, claim.field, claim.mark) for claim in claims]
    asked = [(claim.kind, claim.other, claim.field, claim.mark) for claim in claims]
    before, busy = yield from looks.run(source, "look_claims", side="made", other=target, wanted=made)
    met, busy_there = yield from looks.run(target, "look_claims", side="met", other=source, wanted=asked)
    after, _ = yield from looks.run(source, "look_claims", side="made", other=target, wanted=made)
    stands = [claim for claim, *answers in zip(claims, before, met, after, strict=True) if answers == [1, 0, 1]]
    if busy or busy_there:
        return stands
    looks.add(
        source,
        (
            Finding(
                f"claim_{claim.kind}",
                suffix("instance", text_of(claim.instance)),
                text_of(claim.instance),
                text_of(claim.other),
            )
            for claim in stands
        ),
    )
    return []
