"""How probable the tokens of an answer were."""

from __future__ import annotations

from ..._objects import APIObject


class TopLogprob(APIObject):
    """A token that was possible as well; ``bytes`` are those of its text in UTF-8."""

    token: str
    bytes: list[int] | None
    logprob: float


class ChatCompletionTokenLogprob(TopLogprob):
    """A token of the answer, with those that were likeliest in its place."""

    top_logprobs: list[TopLogprob]
