"""What a store of bucket levels promises.

A store offers verbs, each of which happens as a whole or not at all, and keeps its own time:
what it returns are durations, never instants. A *scope* is what the service limits separately:
an account and a model, as one hashable value without a secret in it. *Costs* are amounts by
dimension (``{"RPM": 1, "TPM": 1200}``); dimensions without a bucket are unlimited.

Of each bucket it keeps six numbers: limit, level and time, and three sums that only grow, which
let an answer be compared with where the bucket stood when its request was sent.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from types import MappingProxyType
from typing import NamedTuple, Protocol

from .._bucket import BucketState, Mark

__all__ = ["BucketState", "Costs", "Decision", "Mark", "Marks", "Store"]

Costs = Mapping[str, float]
Marks = Mapping[str, Mark]

NOTHING: Mapping[str, float] = MappingProxyType({})
_NO_MARKS: Marks = MappingProxyType({})


class Decision(NamedTuple):
    """Whether costs were taken, and if not, what stood in the way.

    Attributes:
        admitted: They were taken from every bucket (else from none).
        wait_s: Seconds until they fit, if nothing else is taken; infinite if they never will.
        dimension: The bucket that takes longest, or for which the scope is blocked; None if it
            is blocked for an unknown one.
        limit: The capacity of that bucket.
        level: Its level.
        marks: Where each bucket stands with the costs taken, if they were.
        reason: What it waits for, if that is no bucket.
    """

    admitted: bool
    wait_s: float = 0.0
    dimension: str | None = None
    limit: int | None = None
    level: float = 0.0
    marks: Marks = _NO_MARKS
    reason: str | None = None


class Store(Protocol):
    """The verbs. All may be called from any thread; none blocks on anything but its own lock."""

    def set_limits(self, scope: Hashable, limits: Mapping[str, int | None]) -> None:
        """Create, resize or (None) remove buckets. What is in use stays in use."""

    def reserve(self, scope: Hashable, costs: Costs, spare: Costs = NOTHING) -> Decision:
        """Take the costs from all buckets of the scope, or from none.

        ``spare`` is what each bucket must hold beyond the cost; negative where it need not hold
        all of it.
        """

    def settle(self, scope: Hashable, amounts: Costs) -> Marks:
        """Return amounts to the buckets; negative ones are taken, whatever the level.

        Returns where each bucket of the scope stands then.
        """

    def observe(
        self, scope: Hashable, dimension: str, mark: Mark, lowest: float, highest: float
    ) -> float:
        """Correct a level by what the service said of it; return by how much.

        At the instant of the mark, the service's level was at least ``lowest`` and at most
        ``highest`` above this one's. The level moves by as little as makes that true, allowing
        for what other observations have moved since.
        """

    def block(self, scope: Hashable, wait_s: float, dimension: str | None = None) -> None:
        """Admit nothing in this scope for so many seconds, because of one of its buckets.

        Of several blocks, the one that ends last counts.
        """

    def snapshot(self, scope: Hashable) -> dict[str, BucketState]:
        """Return all buckets of the scope, brought up to this instant."""
