"""``client.chat.completions.create(...)``: the official SDK's words for ``chat_completion``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from .._objects import ChatCompletion

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

    def create(
        self, *, model: str, messages: Sequence[Mapping[str, Any]], **parameters: Any
    ) -> ChatCompletion:
        """Answer a conversation; the same as :meth:`GroqClient.chat_completion`.

        Args:
            model: The model's name.
            messages: The conversation.
            **parameters: The API's parameters, and ``priority``, ``max_wait``, ``deadline``,
                ``timeout``, ``tag`` and ``callback``.
        """
        return self._client.chat_completion(model, messages, **parameters)
