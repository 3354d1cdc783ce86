"""What is in the ``output`` of the Responses API: each item tells its kind in ``type``."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from ..._objects import APIObject

#: How far an item has come.
Status: TypeAlias = Literal["in_progress", "completed", "incomplete"]


class ResponseOutputText(APIObject):
    """A part of a message: text, and where it comes from."""

    type: Literal["output_text"]
    text: str
    annotations: list[APIObject] | None
    logprobs: list[APIObject] | None


class ResponseOutputRefusal(APIObject):
    """A part of a message: why the model does not answer."""

    type: Literal["refusal"]
    refusal: str


class ResponseOutputMessage(APIObject):
    """What the model answered."""

    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    status: Status
    content: list[ResponseOutputText | ResponseOutputRefusal]


class ResponseReasoningText(APIObject):
    """A piece of the model's reasoning, or of a summary of it."""

    type: str
    text: str


class ResponseReasoningItem(APIObject):
    """What the model thought."""

    id: str
    type: Literal["reasoning"]
    status: Status | None
    summary: list[ResponseReasoningText]
    content: list[ResponseReasoningText] | None


class ResponseFunctionToolCall(APIObject):
    """A call that the model wants made; ``arguments`` is JSON text as the model wrote it.

    What it gave is answered with an item of the type ``function_call_output`` and ``call_id``.
    """

    id: str | None
    type: Literal["function_call"]
    status: Status | None
    call_id: str
    name: str
    arguments: str


class ResponseCodeInterpreterToolCall(APIObject):
    """A program that the service ran."""

    id: str
    type: Literal["code_interpreter_call"]
    status: str
    code: str | None
    container_id: str | None
    outputs: list[APIObject] | None


class ResponseFunctionWebSearch(APIObject):
    """A search, or a page that was opened; ``action`` tells which."""

    id: str
    type: Literal["web_search_call"]
    status: str
    action: APIObject | None


class McpListToolsTool(APIObject):
    """A tool of an MCP server; ``input_schema`` is the JSON schema of its arguments."""

    name: str
    description: str | None
    input_schema: dict[str, Any]
    annotations: Any


class McpListTools(APIObject):
    """The tools that an MCP server offered."""

    id: str
    type: Literal["mcp_list_tools"]
    server_label: str
    tools: list[McpListToolsTool]
    error: str | None


class McpCall(APIObject):
    """A call of an MCP server's tool that the service made; ``arguments`` is JSON text."""

    id: str
    type: Literal["mcp_call"]
    status: str | None
    server_label: str
    name: str
    arguments: str
    output: str | None
    error: str | None


#: An item of the output; one of a type that is not among them is an APIObject.
ResponseOutputItem: TypeAlias = (
    ResponseOutputMessage
    | ResponseReasoningItem
    | ResponseFunctionToolCall
    | ResponseCodeInterpreterToolCall
    | ResponseFunctionWebSearch
    | McpListTools
    | McpCall
)
