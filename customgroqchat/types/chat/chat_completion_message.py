"""What the model answered, and what the service did for it."""

from __future__ import annotations

from typing import Literal

from ..._objects import APIObject
from .chat_completion_message_tool_call import ChatCompletionMessageToolCall


class AnnotationDocumentCitation(APIObject):
    """What comes from a document of the request; the indices are characters of the content."""

    document_id: str
    start_index: int
    end_index: int


class AnnotationFunctionCitation(APIObject):
    """What comes from a tool's answer; the indices are characters of the content."""

    tool_call_id: str
    start_index: int
    end_index: int


class Annotation(APIObject):
    """Where something in the content comes from; the field that ``type`` names is there."""

    type: Literal["document_citation", "function_citation"]
    document_citation: AnnotationDocumentCitation | None
    function_citation: AnnotationFunctionCitation | None


class ExecutedToolBrowserResult(APIObject):
    """A page that a browser of the service opened."""

    title: str
    url: str
    content: str | None
    live_view_url: str | None


class ExecutedToolCodeResultChartElement(APIObject):
    """A series, a slice or a point of a chart; which fields there are depends on its type."""

    label: str
    group: str | None
    value: float | None
    angle: float | None
    radius: float | None
    points: list[list[float]] | None
    min: float | None
    first_quartile: float | None
    median: float | None
    third_quartile: float | None
    max: float | None
    outliers: list[float] | None


class ExecutedToolCodeResultChart(APIObject):
    """A chart that a program drew."""

    type: Literal["bar", "box_and_whisker", "line", "pie", "scatter", "superchart", "unknown"]
    title: str | None
    elements: list[ExecutedToolCodeResultChartElement]
    x_label: str | None
    x_scale: str | None
    x_tick_labels: list[str] | None
    x_ticks: list[float] | None
    x_unit: str | None
    y_label: str | None
    y_scale: str | None
    y_tick_labels: list[str] | None
    y_ticks: list[float] | None
    y_unit: str | None


class ExecutedToolCodeResult(APIObject):
    """What a program gave; ``png`` is base64."""

    text: str | None
    png: str | None
    chart: ExecutedToolCodeResultChart | None
    charts: list[ExecutedToolCodeResultChart] | None


class ExecutedToolSearchResultsResult(APIObject):
    """A page that a search found."""

    title: str | None
    url: str | None
    content: str | None
    score: float | None


class ExecutedToolSearchResults(APIObject):
    """What a search found; ``images`` are addresses."""

    results: list[ExecutedToolSearchResultsResult] | None
    images: list[str] | None


class ExecutedTool(APIObject):
    """A tool that the service used on its own; ``arguments`` is JSON text."""

    index: int
    type: str
    name: str | None
    arguments: str
    output: str | None
    search_results: ExecutedToolSearchResults | None
    code_results: list[ExecutedToolCodeResult] | None
    browser_results: list[ExecutedToolBrowserResult] | None


class FunctionCall(APIObject):
    """The older form of a tool call."""

    name: str
    arguments: str


class ChatCompletionMessage(APIObject):
    """What the model answered."""

    role: Literal["assistant"]
    content: str | None
    reasoning: str | None
    tool_calls: list[ChatCompletionMessageToolCall] | None
    executed_tools: list[ExecutedTool] | None
    annotations: list[Annotation] | None
    function_call: FunctionCall | None
