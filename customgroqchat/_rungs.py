"""Limits that nobody has told: tried one by one, upwards. Pure.

The service's limits are round numbers. So where one is not known, the lowest of those is kept to
until it is in the way; then a single request tries whether there is more, and if it passes, the
next number is kept to. A wrong step costs one refusal, which names the true limit.
"""

from __future__ import annotations

_PER_MINUTE = (30, 60, 100, 120, 200, 250, 300, 400, 500, 600, 800)
_STEPS = (1.0, 1.5, 2.0, 3.0, 5.0)

#: The lowest numbers that are tried, of those limits that no header tells.
FIRST_RUNGS = {"RPM": _PER_MINUTE[0], "TPD": 100_000}


def next_rung(dimension: str, limit: int) -> int:
    """Return the round number above ``limit`` that the service's limit may be."""
    if dimension == "RPM" and limit < _PER_MINUTE[-1]:
        return next(rung for rung in _PER_MINUTE if rung > limit)
    power = 10 ** (len(str(limit)) - 1)
    return next(rung for step in (*_STEPS, 10.0) if (rung := int(step * power)) > limit)
