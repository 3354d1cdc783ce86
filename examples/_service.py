"""Where the examples send their requests: to Groq if there is a key, else to the simulator."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from customgroqchat import ConfigLoader
from customgroqchat.testing import SimulatedGroq

SIMULATED = """\
No API key was found: this talks to the simulator shipped with the package, on this machine.
Its answers are canned: they repeat the question. Set GROQ_API_KEY to use the real service.
"""
REAL = "This talks to {} with the API key that was found, and uses its quota.\n"


@contextmanager
def service(**settings: Any) -> Iterator[dict[str, Any]]:
    """Say which service is used, and yield the arguments that connect a client to it.

    ``settings`` are those of the simulator; the real service has its own.
    """
    config = ConfigLoader().load()
    if config.api_key:
        print(REAL.format(config.base_url))
        yield {}
    else:
        print(SIMULATED)
        with SimulatedGroq(completion_tokens=length_of_echo, **settings) as groq:
            yield {"api_key": "simulated", "base_url": groq.url}


def length_of_echo(payload: Mapping[str, Any]) -> int:
    """Return the tokens that it takes to repeat the question, or the beginning of a long one."""
    questions = [each["content"] for each in payload["messages"] if each["role"] == "user"]
    return min(4 + len(questions[-1].split()), 24)
