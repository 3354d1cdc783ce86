"""A client of a simulated service, for frameworks that are made for the official SDK.

These tests need what the extra ``frameworks`` installs, and are skipped where it is missing.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from customgroqchat import GroqClient
from customgroqchat.testing import SimulatedGroq


@pytest.fixture
def groq() -> Iterator[SimulatedGroq]:
    with SimulatedGroq() as groq:
        yield groq


@pytest.fixture
def client(groq: SimulatedGroq) -> Iterator[GroqClient]:
    with GroqClient({}, api_key="gsk_frameworks", base_url=groq.url) as client:
        yield client
