"""``client.chat.completions.create(...)``: the official SDK's words for ``chat_completion``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, overload

from .._objects import ChatCompletion, ChatCompletionChunk
from ..streaming import Stream

if TYPE_CHECKING:
    from ..groq_client import GroqClient


class Chat:
    """What ``client.chat`` is."""

    def __init__(self, client: GroqClient) -> None:
        self.completions = Completions(client)


class Completions:
    """What ``client.chat.completions`` is."""

    def __init__(self, client: GroqClient) -> None:
        self._client = client

    @overload
    def create(
        self,
        *,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        stream: Literal[True],
        **parameters: Any,
    ) -> Stream[ChatCompletionChunk]: ...

    @overload
    def create(
        self,
        *,
        model: str,
        messages: Sequence[Mapping[str, Any]],
        stream: Literal[False] | None = None,
        **parameters: Any,
    ) -> ChatCompletion: ...

    def create(
        self, *, model: str, messages: Sequence[Mapping[str, Any]], **parameters: Any
    ) -> Any:
        """Answer a conversation; the same as :meth:`GroqClient.chat_completion`.

        Args:
            model: The model's name.
            messages: The conversation.
            **parameters: The API's parameters, and ``priority``, ``max_wait``, ``deadline``,
                ``timeout``, ``tag`` and ``callback``.
        """
        return self._client.chat_completion(model, messages, **parameters)
