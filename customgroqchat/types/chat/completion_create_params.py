"""What a chat request can have in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, TypeAlias, TypedDict

from ..._types import NotGiven, Omit
from ..shared_params import FunctionParameters
from .chat_completion_function_call_option_param import ChatCompletionFunctionCallOptionParam
from .chat_completion_message_param import ChatCompletionMessageParam
from .chat_completion_tool_choice_option_param import ChatCompletionToolChoiceOptionParam
from .chat_completion_tool_param import ChatCompletionToolParam


class CompoundCustomModels(TypedDict, total=False):
    """Which models a compound system uses."""

    answering_model: str | None
    reasoning_model: str | None


class CompoundCustomToolsWolframSettings(TypedDict, total=False):
    """How a compound system signs in there."""

    authorization: str | None


class CompoundCustomTools(TypedDict, total=False):
    """Which tools a compound system uses."""

    enabled_tools: Sequence[str] | None
    wolfram_settings: CompoundCustomToolsWolframSettings | None


class CompoundCustom(TypedDict, total=False):
    """What a compound system uses."""

    models: CompoundCustomModels | None
    tools: CompoundCustomTools | None


class DocumentSourceChatCompletionDocumentSourceText(TypedDict):
    """A document's text."""

    type: Literal["text"]
    text: str


class DocumentSourceChatCompletionDocumentSourceJson(TypedDict):
    """A document's data."""

    type: Literal["json"]
    data: dict[str, Any]


#: What is in a document.
DocumentSource: TypeAlias = (
    DocumentSourceChatCompletionDocumentSourceText | DocumentSourceChatCompletionDocumentSourceJson
)


class _DocumentRequired(TypedDict):
    source: DocumentSource


class Document(_DocumentRequired, total=False):
    """A document to answer from; ``id`` is what citations call it."""

    id: str | None


#: Whether the model may call functions, or which one it must, in the older form.
FunctionCall: TypeAlias = (
    Literal["none", "auto", "required"] | ChatCompletionFunctionCallOptionParam
)


class _FunctionRequired(TypedDict):
    name: str


class Function(_FunctionRequired, total=False):
    """A function that the model may call, in the older form."""

    description: str
    parameters: FunctionParameters


class ResponseFormatResponseFormatText(TypedDict):
    """Any text."""

    type: Literal["text"]


class ResponseFormatResponseFormatJsonObject(TypedDict):
    """Any JSON object; the messages must ask for JSON."""

    type: Literal["json_object"]


class _JsonSchemaRequired(TypedDict):
    name: str


class ResponseFormatResponseFormatJsonSchemaJsonSchema(_JsonSchemaRequired, total=False):
    """A JSON schema; with ``strict``, it is followed exactly, which not every schema allows."""

    description: str
    schema: dict[str, Any]
    strict: bool | None


class ResponseFormatResponseFormatJsonSchema(TypedDict):
    """JSON that follows a schema."""

    type: Literal["json_schema"]
    json_schema: ResponseFormatResponseFormatJsonSchemaJsonSchema


#: The form of the answer.
ResponseFormat: TypeAlias = (
    ResponseFormatResponseFormatText
    | ResponseFormatResponseFormatJsonSchema
    | ResponseFormatResponseFormatJsonObject
)


class SearchSettings(TypedDict, total=False):
    """Where the service's own search looks; ``country`` is a name in lower case."""

    country: str | None
    exclude_domains: Sequence[str] | None
    include_domains: Sequence[str] | None
    include_images: bool | None


class StreamOptions(TypedDict, total=False):
    """What a stream has in it besides the answer."""

    include_usage: bool


class _Required(TypedDict):
    messages: Iterable[ChatCompletionMessageParam | Mapping[str, Any]]
    model: str


class CompletionCreateParamsBase(_Required, total=False):
    """A chat request, streamed or not; where a type describes a dict, any other will do as well.

    ``max_tokens`` is the older name of ``max_completion_tokens``, for which ``"auto"`` leaves it to
    the client.
    """

    citation_options: Literal["enabled", "disabled"] | NotGiven | Omit | None
    compound_custom: CompoundCustom | NotGiven | Omit | None
    disable_tool_validation: bool | NotGiven | Omit
    documents: Iterable[Document] | NotGiven | Omit | None
    exclude_domains: Sequence[str] | NotGiven | Omit | None
    frequency_penalty: float | NotGiven | Omit | None
    function_call: FunctionCall | NotGiven | Omit | None
    functions: Iterable[Function] | NotGiven | Omit | None
    include_domains: Sequence[str] | NotGiven | Omit | None
    include_reasoning: bool | NotGiven | Omit | None
    logit_bias: dict[str, int] | NotGiven | Omit | None
    logprobs: bool | NotGiven | Omit | None
    max_completion_tokens: int | Literal["auto"] | NotGiven | Omit | None
    max_tokens: int | NotGiven | Omit | None
    metadata: dict[str, str] | NotGiven | Omit | None
    n: int | NotGiven | Omit | None
    parallel_tool_calls: bool | NotGiven | Omit | None
    presence_penalty: float | NotGiven | Omit | None
    reasoning_effort: Literal["none", "default", "low", "medium", "high"] | NotGiven | Omit | None
    reasoning_format: Literal["hidden", "raw", "parsed"] | NotGiven | Omit | None
    response_format: ResponseFormat | Mapping[str, Any] | NotGiven | Omit | None
    search_settings: SearchSettings | NotGiven | Omit | None
    seed: int | NotGiven | Omit | None
    service_tier: Literal["auto", "on_demand", "flex", "performance"] | NotGiven | Omit | None
    stop: str | Sequence[str] | NotGiven | Omit | None
    store: bool | NotGiven | Omit | None
    stream_options: StreamOptions | NotGiven | Omit | None
    temperature: float | NotGiven | Omit | None
    tool_choice: ChatCompletionToolChoiceOptionParam | Mapping[str, Any] | NotGiven | Omit | None
    tools: Iterable[ChatCompletionToolParam | Mapping[str, Any]] | NotGiven | Omit | None
    top_logprobs: int | NotGiven | Omit | None
    top_p: float | NotGiven | Omit | None
    user: str | NotGiven | Omit | None


class CompletionCreateParams(CompletionCreateParamsBase, total=False):
    """A chat request."""

    stream: bool | NotGiven | Omit | None
