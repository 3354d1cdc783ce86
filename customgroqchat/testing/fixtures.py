"""Pytest fixtures with a simulated service.

Put ``pytest_plugins = ["customgroqchat.testing.fixtures"]`` into a ``conftest.py``. The fixtures
change nothing in the environment: hand ``groq_simulator.url`` to the client.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

import pytest

from .simulator import SimulatedGroq


@pytest.fixture
def groq_simulator() -> Iterator[SimulatedGroq]:
    """A running simulator with the published models and limits, stopped after the test."""
    with SimulatedGroq() as simulator:
        yield simulator


@pytest.fixture
def groq_simulator_factory() -> Iterator[Callable[..., SimulatedGroq]]:
    """Start simulators with settings of your own: ``groq_simulator_factory(limits={"RPM": 2})``.

    Takes the keywords of ``SimulatedGroq``; all are stopped after the test.
    """
    with contextlib.ExitStack() as running:

        def start(**settings: object) -> SimulatedGroq:
            return running.enter_context(SimulatedGroq(**settings))  # type: ignore[arg-type]

        yield start
