"""What each family of models adds to the text of a request: its chat template, in numbers.

The service charges for the prompt after its template is applied. For a short message
that is most of the cost: "Hello world!" is 3 tokens of text and 74 of prompt on gpt-oss. The
numbers below are differences between the usage that the service reported and the tokens of the
text; where they are exact for plain conversations, ``test_token_counter_recordings.py`` says so.

Pure. Thread-safe.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from ._token_harmony import count_harmony, count_harmony_message
from ._token_request import Measure, Message, Request, compact_json, is_system

__all__ = ["IMAGE_TOKENS", "UNKNOWN", "Family", "family_of"]

#: Seen were 640 to 2,400 for an image. The address of an image does not tell its size.
IMAGE_TOKENS = 1600

_DIGIT = re.compile(r"\d")
_DIGIT_GROUP = re.compile(r"\d{1,3}")
_END_OF_THOUGHTS = "</think>"


@dataclass(frozen=True)
class Family:
    """The template of a family of models, in tokens unless said otherwise.

    ``marks`` are what a model's name contains. ``tool_scale`` multiplies the tokens of the
    functions as compact JSON, ``call_scale`` those of a tool call's name and arguments;
    ``call_base`` is for each message with tool calls.
    """

    name: str
    marks: tuple[str, ...] = ()
    #: For every request, with the beginning of the reply.
    base: int = 0
    per_message: int = 0
    #: The template has a system block anyway, whose frame ``base`` contains.
    has_system_block: bool = False
    #: For the instructions that the template puts where none are given.
    default_system: int = 0
    tools_base: int = 150
    tool_scale: float = 1.6
    #: In place of the tools when ``tool_choice`` is "none"; None where that changes nothing.
    tools_forbidden: int | None = None
    call_base: int = 0
    call_scale: float = 3.0
    json_object: int = 28
    json_schema_base: int = 69
    json_schema_scale: float = 1.0
    without_reasoning: int = 0
    #: The vocabulary has no token of more than one digit.
    single_digits: bool = False
    #: The thoughts in earlier answers are left out.
    drops_thoughts: bool = False
    #: For a reply, beside its text: the markers that end it or name its channel.
    reply: int = 1
    #: The vocabulary by which texts are counted exactly, where it is one of ours.
    vocabulary: str = ""
    is_known: bool = True
    #: Tools and calls are rendered as the model reads them, not by a rule of thumb.
    renders_tools: bool = False
    #: It makes embeddings: a text goes to it as it is.
    embeds: bool = False
    #: The service searches and computes before it answers, and charges for what it found.
    is_agent: bool = False

    def count(self, request: Request, measure: Measure) -> float:
        """Return the prompt tokens of a request, images left out."""
        return (
            self.base
            + sum(self.count_message(message, measure) for message in request.messages)
            + self._frame(request)
            + self._tools(request, measure)
            + self._format(request, measure)
            + (measure(request.documents) if request.documents else 0)
        )

    def count_message(self, message: Message, measure: Measure) -> float:
        """Return the tokens of one message within its frame, images left out."""
        tokens = self.per_message + self.count_text(self._content(message), measure)
        if not message.calls:
            return tokens
        calls = sum(measure(call.name + call.arguments) for call in message.calls)
        return tokens + self.call_base + self.call_scale * calls

    def count_text(self, text: str, measure: Measure) -> float:
        """Return the tokens of a text alone."""
        tokens = measure(text)
        if self.single_digits:
            tokens += len(_DIGIT.findall(text)) - len(_DIGIT_GROUP.findall(text))
        return tokens

    def _content(self, message: Message) -> str:
        text = message.content.text
        if self.drops_thoughts and message.role == "assistant":
            text = text.rpartition(_END_OF_THOUGHTS)[2]
        return text.strip()

    def _frame(self, request: Request) -> int:
        tokens = self.without_reasoning if request.reasoning_effort == "none" else 0
        if not any(map(is_system, request.messages)):
            return tokens + self.default_system
        return tokens - (self.per_message if self.has_system_block else 0)

    def _tools(self, request: Request, measure: Measure) -> float:
        if not request.functions:
            return 0
        if request.tool_choice == "none" and self.tools_forbidden is not None:
            return self.tools_forbidden
        functions = sum(measure(compact_json(function)) for function in request.functions)
        return self.tools_base + self.tool_scale * functions

    def _format(self, request: Request, measure: Measure) -> float:
        if request.schema_type == "json_schema":
            schema = measure(compact_json(request.schema))
            return self.json_schema_base + self.json_schema_scale * schema
        return self.json_object if request.schema_type else 0


class Harmony(Family):
    """The gpt-oss models, whose prompt is rendered rather than approximated."""

    def count(self, request: Request, measure: Measure) -> float:
        return count_harmony(request, measure) + self._format(request, measure)

    def count_message(self, message: Message, measure: Measure) -> float:
        return count_harmony_message(message, measure)


#: A model that nobody has measured: as dear as the dearest template in service.
UNKNOWN = Family("unknown", base=66, per_message=5, tools_base=180, reply=10, is_known=False)

# The first family with a mark in the model's name is taken, so the longer marks come first.
FAMILIES = (
    Harmony(
        "gpt-oss",
        ("gpt-oss",),
        vocabulary="o200k_base",
        json_schema_scale=0.81,
        reply=10,
        renders_tools=True,
    ),
    Family(
        "qwen3.8",
        ("qwen3.8", "qwen3.6", "qwen3.5"),
        base=7,
        per_message=5,
        tools_base=191,
        single_digits=True,
        drops_thoughts=True,
    ),
    Family(
        "qwen3",
        ("qwen",),
        base=3,
        per_message=5,
        tools_base=82,
        tool_scale=1.58,
        call_scale=3.2,
        without_reasoning=4,
        single_digits=True,
        drops_thoughts=True,
    ),
    Family(
        "deepseek-distill",
        ("deepseek-r1-distill",),
        base=2,
        per_message=1,
        tools_base=84,
        tool_scale=1.0,
        drops_thoughts=True,
    ),
    Family(
        "kimi",
        ("kimi",),
        base=3,
        per_message=4,
        default_system=18,
        tools_base=11,
        tool_scale=1.52,
        call_base=11,
        call_scale=2.05,
        json_schema_base=57,
        json_schema_scale=0.0,
    ),
    # Guards wrap the conversation into their own policy. Classifiers have no template.
    Family("llama-guard", ("llama-guard",), base=190, per_message=5, is_known=False),
    Family("prompt-guard", ("prompt-guard",), base=2, is_known=False),
    Family(
        "llama-4",
        ("llama-4",),
        base=5,
        per_message=5,
        tools_base=661,
        tool_scale=1.0,
        tools_forbidden=0,
        call_scale=4.7,
    ),
    Family(
        "llama-3.1",
        ("llama-3.", "llama3.", "llama-3-groq"),
        base=30,
        per_message=5,
        has_system_block=True,
        tools_base=146,
        tool_scale=1.17,
        tools_forbidden=27,
        call_base=6,
        call_scale=1.0,
        json_object=16,
    ),
    Family("llama-3", ("llama3-", "llama-3-"), base=5, per_message=5, json_object=6),
    Family("allam", ("allam",), base=3, per_message=5, is_known=False),
    Family("compound", ("compound",), base=66, per_message=5, is_known=False, is_agent=True),
    # Each text has a token before it and one after it.
    Family("embedding", ("embed",), base=2, is_known=False, embeds=True),
)


@lru_cache(maxsize=256)
def family_of(model: str) -> Family:
    """Return the family of a model by its name, ``UNKNOWN`` for one that nobody has measured."""
    name = model.lower()
    return next((f for f in FAMILIES if any(mark in name for mark in f.marks)), UNKNOWN)
