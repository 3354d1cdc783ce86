"""What a message can consist of."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, TypedDict

from .chat_completion_content_part_image_param import ChatCompletionContentPartImageParam
from .chat_completion_content_part_text_param import ChatCompletionContentPartTextParam


class _Required(TypedDict):
    data: dict[str, Any]


class ChatCompletionRequestMessageContentPartDocumentDocument(_Required, total=False):
    """A document's content, and the name by which citations call it."""

    id: str | None


class ChatCompletionRequestMessageContentPartDocument(TypedDict):
    """A document."""

    type: Literal["document"]
    document: ChatCompletionRequestMessageContentPartDocumentDocument


#: A part of a message.
ChatCompletionContentPartParam: TypeAlias = (
    ChatCompletionContentPartTextParam
    | ChatCompletionContentPartImageParam
    | ChatCompletionRequestMessageContentPartDocument
)
