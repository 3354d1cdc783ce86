"""Whether the model may, must or must not call tools."""

from __future__ import annotations

from typing import Literal, TypeAlias

from .chat_completion_named_tool_choice_param import ChatCompletionNamedToolChoiceParam

#: Whether the model may (``"auto"``), must or must not call tools, or which one it must.
ChatCompletionToolChoiceOptionParam: TypeAlias = (
    Literal["none", "auto", "required"] | ChatCompletionNamedToolChoiceParam
)
