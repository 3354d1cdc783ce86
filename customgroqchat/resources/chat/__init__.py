"""``client.chat``: conversations."""

from __future__ import annotations

from functools import cached_property

from .._resource import Resource
from .completions import (
    Completions,
    CompletionsWithRawResponse,
    CompletionsWithStreamingResponse,
)

__all__ = [
    "Chat",
    "ChatWithRawResponse",
    "ChatWithStreamingResponse",
    "Completions",
    "CompletionsWithRawResponse",
    "CompletionsWithStreamingResponse",
]


class Chat(Resource):
    """What ``client.chat`` is."""

    @cached_property
    def completions(self) -> Completions:
        """Conversations."""
        return Completions(self._caller, self._form)

    @property
    def with_raw_response(self) -> ChatWithRawResponse:
        """The same, with HTTP around the answers."""
        return ChatWithRawResponse(self)

    @property
    def with_streaming_response(self) -> ChatWithStreamingResponse:
        """The same, with answers that are read when they are asked for."""
        return ChatWithStreamingResponse(self)


class ChatWithRawResponse:
    """``client.chat.with_raw_response``."""

    def __init__(self, chat: Chat) -> None:
        self.completions = chat.completions.with_raw_response


class ChatWithStreamingResponse:
    """``client.chat.with_streaming_response``."""

    def __init__(self, chat: Chat) -> None:
        self.completions = chat.completions.with_streaming_response
