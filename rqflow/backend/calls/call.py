"""Call: one question or order to a store, as a value that is built without I/O."""

from __future__ import annotations

from typing import ClassVar, Generic, TypeVar

from rqflow.values import dataclass

R = TypeVar("R", covariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call(Generic[R]):
    """Base of all calls; R is what a store answers.

    A store takes many calls at once (`Backend.send`) and answers each by itself: with a value of type R or with
    an RqflowError *as a value*, so that one bad item of a batch harms no other. A call is atomic in its partition.
    """

    partition: int
    """The share of the hub it goes to; for an instance, `partition_of(id, P)`."""
    promises: ClassVar[bool] = False
    """Whether its answer tells a client that something will be done: it then waits for the hub's durability."""
    if_unsure: ClassVar[str] = ""
    """What is to be done when it is not known whether that holds (see NotDurable)."""
