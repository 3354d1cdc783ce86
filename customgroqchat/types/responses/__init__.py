"""The types of the Responses API: answers, items of the output, events, parameters."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .response import Response as Response
    from .response import ResponseError as ResponseError
    from .response import ResponseStatus as ResponseStatus
    from .response import ResponseUsage as ResponseUsage
    from .response_create_params import ResponseCreateParams as ResponseCreateParams
    from .response_output_item import McpCall as McpCall
    from .response_output_item import McpListTools as McpListTools
    from .response_output_item import (
        ResponseCodeInterpreterToolCall as ResponseCodeInterpreterToolCall,
    )
    from .response_output_item import ResponseFunctionToolCall as ResponseFunctionToolCall
    from .response_output_item import ResponseFunctionWebSearch as ResponseFunctionWebSearch
    from .response_output_item import ResponseOutputItem as ResponseOutputItem
    from .response_output_item import ResponseOutputMessage as ResponseOutputMessage
    from .response_output_item import ResponseOutputRefusal as ResponseOutputRefusal
    from .response_output_item import ResponseOutputText as ResponseOutputText
    from .response_output_item import ResponseReasoningItem as ResponseReasoningItem
    from .response_stream_event import ResponseStreamEvent as ResponseStreamEvent
else:
    from ..._lazy import lazy_exports

    __all__, __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "response": "Response ResponseError ResponseStatus ResponseUsage",
            "response_create_params": "ResponseCreateParams",
            "response_output_item": "McpCall McpListTools ResponseCodeInterpreterToolCall "
            "ResponseFunctionToolCall ResponseFunctionWebSearch ResponseOutputItem "
            "ResponseOutputMessage ResponseOutputRefusal ResponseOutputText ResponseReasoningItem",
            "response_stream_event": "ResponseStreamEvent",
        },
    )
