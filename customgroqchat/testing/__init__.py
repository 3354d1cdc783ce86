"""Tools for testing programs that use this package: a simulated service and a fake clock.

``SimulatedGroq`` needs the standard library only. Pytest fixtures are in
``customgroqchat.testing.fixtures``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .simulator import LIVE_MODELS, Gate, RequestRecord, SimulatedGroq, SimulatedModel

if TYPE_CHECKING:
    from .clock import FakeClock

__all__ = [
    "LIVE_MODELS",
    "FakeClock",
    "Gate",
    "RequestRecord",
    "SimulatedGroq",
    "SimulatedModel",
]


def __getattr__(name: str) -> Any:
    """Import the fake clock on first use, so that the simulator comes without the package."""
    if name == "FakeClock":
        from .clock import FakeClock

        return FakeClock
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
