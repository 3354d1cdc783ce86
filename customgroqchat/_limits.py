"""Which limit applies, when several sources name one. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class KnownLimit(NamedTuple):
    """A limit and where it is known from: ``"configured"``, ``"server"`` or ``"preset"``."""

    limit: int
    source: str

    @property
    def is_guess(self) -> bool:
        """Whether it may slow a request down, but must not forbid it."""
        return self.source == "preset"


def known_limits(
    configured: Mapping[str, int | None], guessed: bool, told: Mapping[str, int]
) -> dict[str, KnownLimit]:
    """Return the limit of each dimension that has one.

    Args:
        configured: Limits by dimension from the configuration; None is unlimited.
        guessed: They are a preset, which the server's word replaces. As soon as that contradicts
            one of them, the account has another plan, and the other guesses are worth nothing.
        told: Limits by dimension as the server told them. They lower what was configured; a
            configured limit below the server's is a choice and stays.
    """
    other_plan = guessed and any(
        configured.get(name) not in (None, limit) for name, limit in told.items()
    )
    found = {}
    if not other_plan:
        source = "preset" if guessed else "configured"
        found = {
            name: KnownLimit(limit, source)
            for name, limit in configured.items()
            if limit is not None
        }
    for name, limit in told.items():
        if guessed or name not in found or limit <= found[name].limit:
            found[name] = KnownLimit(limit, "server")
    return found
