"""What a store of bucket levels promises.

A store offers verbs, each of which happens as a whole or not at all, and keeps its own time:
what it returns are durations, never instants. A *scope* is what the service limits separately:
an account and a model, as one hashable value without a secret in it. *Costs* are amounts by
dimension (``{"RPM": 1, "TPM": 1200}``); dimensions without a bucket are unlimited.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import NamedTuple, Protocol

Costs = Mapping[str, float]


class Decision(NamedTuple):
    """Whether costs were taken, and if not, what stood in the way.

    Attributes:
        admitted: They were taken from every bucket (else from none).
        wait_s: Seconds until they fit, if nothing else is taken; infinite if they never will.
        dimension: The bucket that takes longest, or for which the scope is blocked; None if it
            is blocked for an unknown one.
        limit: The capacity of that bucket.
        level: Its level.
    """

    admitted: bool
    wait_s: float = 0.0
    dimension: str | None = None
    limit: int | None = None
    level: float = 0.0


class BucketState(NamedTuple):
    """One bucket at an instant.

    Attributes:
        limit: Capacity.
        level: What is free; negative when in debt.
        window_s: Seconds in which an empty bucket becomes full.
    """

    limit: int
    level: float
    window_s: float


class Store(Protocol):
    """The verbs. All may be called from any thread; none blocks on anything but its own lock."""

    def set_limits(self, scope: Hashable, limits: Mapping[str, int | None]) -> None:
        """Create, resize or (None) remove buckets. What is in use stays in use."""

    def reserve(self, scope: Hashable, costs: Costs) -> Decision:
        """Take the costs from all buckets of the scope, or from none."""

    def foresee(self, scope: Hashable, costs: Costs) -> Decision:
        """Tell what :meth:`reserve` would answer, taking nothing."""

    def give_back(self, scope: Hashable, amounts: Costs) -> None:
        """Return amounts to the buckets; negative ones are taken, whatever the level."""

    def lower(self, scope: Hashable, dimension: str, level: float) -> None:
        """Lower one bucket to a level, if it stands higher."""

    def block(self, scope: Hashable, wait_s: float, dimension: str | None = None) -> None:
        """Admit nothing in this scope for so many seconds, because of one of its buckets.

        Of several blocks, the one that ends last counts.
        """

    def snapshot(self, scope: Hashable) -> dict[str, BucketState]:
        """Return all buckets of the scope, brought up to this instant."""
