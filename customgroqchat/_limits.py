"""Which limit applies, when several sources name one. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

_GUESSES = ("remembered", "preset", "trial")


class KnownLimit(NamedTuple):
    """A limit and where it is known from.

    ``"configured"``; ``"server"``; ``"remembered"`` from what the server told an earlier process;
    ``"preset"``, published for another plan perhaps; ``"trial"``, a number that is being tried.
    """

    limit: int
    source: str

    @property
    def is_guess(self) -> bool:
        """Whether it may slow a request down, but must not forbid it."""
        return self.source in _GUESSES


def known_limits(
    configured: Mapping[str, int | None],
    guessed: bool,
    told: Mapping[str, int],
    remembered: Mapping[str, int] | None = None,
    *,
    rungs: Mapping[str, int] | None = None,
    adopt: bool = True,
) -> dict[str, KnownLimit]:
    """Return the limit of each dimension that has one.

    Args:
        configured: Limits by dimension from the configuration; None is unlimited.
        guessed: They are a preset. As soon as somebody who knows contradicts one of them, the
            account has another plan, and the other guesses are worth nothing.
        told: Limits by dimension as the server told them.
        remembered: The same, in an earlier process; for what nobody has configured or told.
        rungs: Limits that are tried, for want of knowledge, or of faith in what was configured.
        adopt: What the server tells replaces what was configured; else it only lowers it.
    """
    remembered = remembered or {}
    other_plan = guessed and any(
        configured.get(name) not in (None, limit) for name, limit in {**remembered, **told}.items()
    )
    source = "preset" if guessed else "configured"
    found = {
        name: KnownLimit(limit, source)
        for name, limit in configured.items()
        if limit is not None and not other_plan
    }
    for name, limit in remembered.items():
        if guessed or name not in found:
            found[name] = KnownLimit(limit, "remembered")
    for name, limit in told.items():
        known = found.get(name)
        if adopt or known is None or known.is_guess or limit <= known.limit:
            found[name] = KnownLimit(limit, "server")
    for name, limit in (rungs or {}).items():
        if name not in told:
            found[name] = KnownLimit(limit, "trial")
    return found
