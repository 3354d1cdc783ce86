"""What is counted in a payload, whichever endpoint it is for. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ._token_request import Message, Request, read_content, read_message, read_request
from ._token_responses import read_responses_request

__all__ = [
    "Texts",
    "as_answer",
    "as_request",
    "check_payload",
    "completion_cap",
    "read_requests",
    "read_texts",
]

_CAPS = ("max_completion_tokens", "max_output_tokens", "max_tokens")


class Texts(NamedTuple):
    """Texts that go to the model as they are, each in its frame.

    ``tokens`` is the number of those that were given as numbers already.
    """

    texts: tuple[str, ...]
    frames: int
    tokens: int = 0


def check_payload(payload: object) -> None:
    """Raise TypeError unless it is a mapping."""
    if not isinstance(payload, Mapping):
        raise TypeError(
            "a request must be a mapping such as {'model': ..., 'messages': [...]}, "
            f"not {type(payload).__name__}"
        )


def read_texts(payload: Mapping[str, object], *, embeds: bool) -> Texts | None:
    """Read the ``input`` that is to be embedded or spoken; None if there is none.

    ``embeds`` is whether the model is known to make embeddings. Whatever it is, a list of strings
    or of numbers is no conversation.
    """
    given = payload.get("input")
    if given is None or payload.get("messages") is not None or payload.get("prompt") is not None:
        return None
    many = given if isinstance(given, (list, tuple)) else ()
    is_bare = bool(many) and all(isinstance(one, (str, int, list, tuple)) for one in many)
    if not (embeds or is_bare or "voice" in payload):
        return None
    return _texts(many or [given])


def _texts(given: Sequence[object]) -> Texts:
    if given and all(isinstance(one, int) for one in given):  # a single text, as its tokens
        return Texts((), 1, len(given))
    tokens = sum(len(one) for one in given if isinstance(one, (list, tuple)))
    texts = [read_content(one).text for one in given if not isinstance(one, (list, tuple))]
    return Texts(tuple(texts), len(given), tokens)


def read_requests(payload: Mapping[str, object]) -> list[Request]:
    """Read a payload of chat completions, of the Responses API, or with a list of prompts.

    Each prompt is a request of its own. Raises TypeError if its messages are no messages.
    """
    if payload.get("messages") is None:
        if payload.get("prompt") is not None:
            return [as_request(prompt) for prompt in _prompts(payload["prompt"])] or [Request(())]
        if payload.get("input") is not None or payload.get("instructions") is not None:
            return [read_responses_request(payload)]
    return [read_request(payload)]


def _prompts(prompt: object) -> list[object]:
    return list(prompt) if isinstance(prompt, (list, tuple)) else [prompt]


def as_request(prompt: object) -> Request:
    """Make a request of a text that is sent as one message of the user."""
    return Request((Message("user", read_content(prompt)),))


def as_answer(text: object) -> tuple[Message, str]:
    """Read an answer and the thoughts before it."""
    if not isinstance(text, Mapping):
        return Message("assistant", read_content(text)), ""
    return read_message(text), read_content(text.get("reasoning")).text


def completion_cap(payload: Mapping[str, object]) -> int | None:
    """Return the cap that a request sets for its answer, in tokens."""
    for key in _CAPS:
        cap = payload.get(key)
        if isinstance(cap, int) and not isinstance(cap, bool) and cap > 0:
            return cap
    return None
