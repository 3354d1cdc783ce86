"""How long a lot of work will take, by the rate limits alone. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from ._bucket import BucketState


def wait_for(
    amounts: Mapping[str, float], buckets: Mapping[str, BucketState]
) -> tuple[float, str | None]:
    """Return when all amounts can have passed through the buckets, if nothing else does.

    Args:
        amounts: Requests and tokens by dimension. They may exceed a whole bucket: they need not
            pass at once. A dimension without a bucket is unlimited.
        buckets: The buckets by dimension, as they stand now.

    Returns:
        Seconds, never below 0, and the dimension that takes longest; None if nothing has to wait.
    """
    waits = {
        name: (amounts[name] - bucket.level) * bucket.window_s / bucket.limit
        for name, bucket in buckets.items()
        if name in amounts
    }
    slowest = max(waits, key=waits.__getitem__, default=None)
    if slowest is None or waits[slowest] <= 0:
        return 0.0, None
    return waits[slowest], slowest
