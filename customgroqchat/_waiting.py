"""What is waited for, as it is shown. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from .queue_manager import Wait
    from .rate_limit_handler import Scope


class WaitExplanation(NamedTuple):
    """What a request to a model would wait for now, and until when. ``str()`` is a sentence.

    Attributes:
        model: The model's name.
        wait_s: Seconds until the request could be sent; 0.0 if it could be now.
        dimension: The limit that binds, such as ``"TPM"``; None if none does.
        limit: Its size in requests, tokens or seconds of audio.
        used: How much of it is in use or set aside.
        requested: How much the request needs of it.
        available_at: When the request could be sent, in seconds since 1970.
        ahead: Requests that go before it, as far as can be told now.
        reason: What it waits for, where no limit is the cause; else None.
    """

    model: str
    wait_s: float
    dimension: str | None
    limit: int | None
    used: int | None
    requested: int | None
    available_at: float
    ahead: int
    reason: str | None

    def __str__(self) -> str:
        if not self.wait_s:
            return f"A request to {self.model} could be sent now{self._behind()}."
        return (
            f"A request to {self.model} could be sent in {self.wait_s:.1f} s{self._behind()}: "
            f"{self._cause()}."
        )

    def _behind(self) -> str:
        if not self.ahead:
            return ""
        return f", after {self.ahead:,} request{'s' if self.ahead > 1 else ''} in front of it"

    def _cause(self) -> str:
        if self.reason or not self.dimension:
            return self.reason or "it has to wait its turn"
        if self.limit is None or self.used is None or self.requested is None:
            return f"{self.dimension} is used up"
        return (
            f"of {self.limit:,} {self.dimension}, {self.used:,} are in use "
            f"and {self.requested:,} are needed"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as a dict that JSON can carry."""
        return self._asdict()


def explained(model: str, wait: Wait, ahead: int, now_s: float) -> WaitExplanation:
    """Return the explanation of a wait that begins now, in seconds since 1970."""
    return WaitExplanation(
        model=model,
        wait_s=wait.wait_s,
        dimension=wait.dimension,
        limit=wait.limit,
        used=wait.used,
        requested=wait.requested,
        available_at=now_s + wait.wait_s,
        ahead=ahead,
        reason=wait.reason,
    )


def named_lanes(lanes: Mapping[Scope, Any]) -> dict[str, Any]:
    """Return lanes by model, and by model and account where several accounts use the model."""
    accounts = Counter(scope.model for scope in lanes)
    return {
        scope.model if accounts[scope.model] == 1 else f"{scope.model}@{scope.account}": lane
        for scope, lane in lanes.items()
    }
