"""Tools for testing programs that use this package: a simulated service and a fake clock.

``SimulatedGroq`` needs the standard library only. Pytest fixtures are in
``customgroqchat.testing.fixtures``.
"""

from __future__ import annotations

from .clock import FakeClock
from .simulator import (
    FAULT_KINDS,
    LIVE_MODELS,
    Gate,
    RequestRecord,
    SimulatedGroq,
    SimulatedModel,
    Upload,
)

__all__ = [
    "FAULT_KINDS",
    "LIVE_MODELS",
    "FakeClock",
    "Gate",
    "RequestRecord",
    "SimulatedGroq",
    "SimulatedModel",
    "Upload",
]
