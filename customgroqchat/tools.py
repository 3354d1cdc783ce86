"""``run_tools``: a conversation in which the model calls functions, until it answers.

``client.chat.completions.run_tools`` is this, with the client's own ``create``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from ._signatures import Tool, paired, tool_of
from ._tool_calls import Message, ToolCaller, ToolCallRecord
from ._validation import refuse
from .exceptions import (
    BadRequestError,
    ToolLoopException,
)
from .structured import Create, refuse_stream
from .types.chat.chat_completion import ChatCompletion
from .types.completion_usage import CompletionUsage


@dataclass(frozen=True)
class ToolRun:
    """How a conversation with tools went.

    Attributes:
        completion: The last answer, which calls nothing.
        messages: The whole conversation with that answer, to be gone on with.
        calls: What became of each call, in order.
        completions: All answers, in order.
    """

    completion: ChatCompletion
    messages: list[Message]
    calls: tuple[ToolCallRecord, ...]
    completions: tuple[ChatCompletion, ...]

    @property
    def text(self) -> str:
        """The content of the last answer."""
        return str(_message_of(self.completion).get("content") or "")

    @property
    def rounds(self) -> int:
        """How often the model was asked."""
        return len(self.completions)

    @property
    def usage(self) -> CompletionUsage:
        """The tokens of all answers together."""
        usages = [completion.get("usage") or {} for completion in self.completions]
        names = ("prompt_tokens", "completion_tokens", "total_tokens")
        return CompletionUsage(
            {name: sum(usage.get(name) or 0 for usage in usages) for name in names}
        )


def function_schema(function: Callable[..., Any]) -> dict[str, Any]:
    """Return a function as the API knows tools: ``{"type": "function", "function": ...}``.

    Its name, the first paragraph of its docstring and its parameters: with the types of its
    annotations, its defaults, and their texts in the docstring (Google's, NumPy's or Sphinx's way)
    or in ``Annotated[str, "the text"]``. Pure.

    Raises:
        InvalidRequestException: something in its signature cannot be told to a model.
    """
    return dict(tool_of(function).definition)


def run_tools(
    create: Create,
    *,
    model: str,
    messages: Iterable[Message],
    tools: Sequence[Callable[..., Any] | Mapping[str, Any]],
    functions: Mapping[str, Callable[..., Any]] | None = None,
    max_rounds: int = 10,
    at_limit: Literal["raise", "answer"] = "raise",
    parallel: bool = False,
    on_error: Literal["tell", "raise"] = "tell",
    on_call: Callable[[ToolCallRecord], object] | None = None,
    retry_failed: int = 1,
    **parameters: Any,
) -> ToolRun:
    """Answer a conversation, calling the functions that the model asks for on the way.

    Blocks as ``create`` does for each answer, and for the functions. From any thread.

    Args:
        create: Answers a chat request, such as ``client.chat.completions.create``.
        model: The model's name.
        messages: The conversation; it is not changed.
        tools: Typed functions, see :func:`function_schema`, or tools as the API knows them: those
            of the type ``function`` with their functions in ``functions``, and those that the
            service does itself, such as ``browser_search``.
        functions: What does the tools that are given as mappings, by name.
        max_rounds: How many answers that call tools are carried out.
        at_limit: What to do if the model still calls tools then: ``"raise"``, or ``"answer"``:
            ask it once more, with ``tool_choice="none"``, and leave the calls undone.
        parallel: Make the calls of one answer at the same time, in up to 8 threads, which see the
            context variables of this one. Results keep their order.
        on_error: If arguments do not fit, a tool is not known, or it raises: ``"tell"`` the model,
            which can try otherwise; or ``"raise"``.
        on_call: Called with the record of each call, in order and in this thread, when its result
            is there; with ``parallel``, when those of all calls of an answer are. What it raises
            is raised.
        retry_failed: How often an answer is asked for again if the service found that the model
            called a tool wrongly (``tool_use_failed``).
        **parameters: Whatever else ``create`` takes, but ``stream``, for each of the answers. A
            ``tool_choice`` that forces a call is kept to in the first answer only, or there would
            be no end.

    Returns:
        The last answer, the conversation and the calls.

    Raises:
        ToolLoopException: ``max_rounds`` were not enough.
        ToolCallException: a call failed, with ``on_error="raise"``.
        InvalidRequestException: a tool is none, or there is a ``stream``.
        GroqError: whatever ``create`` raises.
    """
    refuse_stream(parameters)
    _check(max_rounds, at_limit, on_error)
    known = _tools(tools, functions or {})
    loop = _Loop(create, {"model": model, **parameters}, known, [*messages], retry_failed)
    caller = ToolCaller(known, parallel, on_error == "raise", on_call)
    while loop.wants_calls:
        if loop.rounds > max_rounds and at_limit == "raise":
            raise ToolLoopException(
                f"After {max_rounds} rounds the model still calls tools.",
                hint="Allow more with max_rounds, or have it answer with at_limit='answer'.",
                rounds=max_rounds,
                messages=tuple(loop.messages),
                model=model,
            )
        if loop.rounds > max_rounds:
            loop.ask(tool_choice="none")
            break
        for record in caller.results(loop.calls(), loop.messages):
            loop.tell(record)
        loop.ask()
    return loop.run(caller.records)


def _check(max_rounds: Any, at_limit: Any, on_error: Any) -> None:
    if not isinstance(max_rounds, int) or max_rounds < 1:
        refuse("max_rounds", max_rounds, "Give an integer of at least 1.")
    if at_limit not in ("raise", "answer"):
        refuse("at_limit", at_limit, "Give 'raise' or 'answer'.")
    if on_error not in ("tell", "raise"):
        refuse("on_error", on_error, "Give 'tell' or 'raise'.")


# --- the tools --------------------------------------------------------------------------------


def _tools(
    tools: Sequence[Callable[..., Any] | Mapping[str, Any]],
    functions: Mapping[str, Callable[..., Any]],
) -> list[Tool]:
    known = [_tool(f"tools[{index}]", tool, functions) for index, tool in enumerate(tools)]
    if not known:
        refuse("tools", tools, "Give at least one, or use create().")
    names = [tool.name for tool in known if tool.name]
    for name in names:
        if names.count(name) > 1:
            refuse("tools", name, "Two tools have this name.")
    return known


def _tool(where: str, tool: Any, functions: Mapping[str, Callable[..., Any]]) -> Tool:
    if callable(tool):
        return tool_of(tool)
    if not isinstance(tool, Mapping):
        refuse(where, tool, "Give a function, or a mapping with a 'type'.")
    if tool.get("type") != "function":
        return Tool(tool)  # the service does it
    function = tool.get("function")
    name = function.get("name") if isinstance(function, Mapping) else None
    if not isinstance(name, str) or name not in functions:
        refuse(where, name, "Give what does it: functions={name: function}.")
    return paired(tool, functions[name])


# --- the conversation -------------------------------------------------------------------------


class _Loop:
    """The conversation, and what the model answered to it."""

    def __init__(
        self,
        create: Create,
        parameters: dict[str, Any],
        tools: list[Tool],
        messages: list[Message],
        retries: int,
    ) -> None:
        self.messages = messages
        self._create = create
        self._parameters = {**parameters, "tools": [tool.definition for tool in tools]}
        self._retries = retries
        self._completions: list[ChatCompletion] = []
        self.ask()
        if _is_forcing(parameters.get("tool_choice")):
            self._parameters["tool_choice"] = "auto"

    @property
    def rounds(self) -> int:
        """How many answers there are."""
        return len(self._completions)

    @property
    def _last(self) -> Mapping[str, Any]:
        return _message_of(self._completions[-1])

    @property
    def wants_calls(self) -> bool:
        return bool(self._last.get("tool_calls"))

    def ask(self, **changes: Any) -> None:
        """Have the model answer."""
        request = {**self._parameters, **changes, "messages": [*self.messages]}
        answer = self._answer(request, self._retries)
        self._completions.append(
            answer if isinstance(answer, ChatCompletion) else ChatCompletion.wrap(answer)
        )

    def _answer(self, request: dict[str, Any], retries: int) -> Any:
        try:
            return self._create(**request)
        except BadRequestError as error:
            if error.code != "tool_use_failed" or retries < 1:
                raise
        return self._answer(request, retries - 1)

    def calls(self) -> list[ToolCallRecord]:
        """Take the last answer into the conversation, and return its calls."""
        self.messages.append(_sent_back(self._last))
        return [_asked_for(call, self.rounds) for call in self._last["tool_calls"]]

    def tell(self, record: ToolCallRecord) -> None:
        """Take the result of a call into the conversation."""
        self.messages.append({"role": "tool", "tool_call_id": record.id, "content": record.content})

    def run(self, records: list[ToolCallRecord]) -> ToolRun:
        final = {**_sent_back(self._last), "content": self._last.get("content") or ""}
        for name in ("tool_calls", "reasoning"):
            final.pop(name, None)
        messages = [*self.messages, final]
        completions = tuple(self._completions)
        return ToolRun(completions[-1], messages, tuple(records), completions)


def _asked_for(call: Mapping[str, Any], round_: int) -> ToolCallRecord:
    function = _function_of(call)
    name, arguments = function.get("name") or "", function.get("arguments") or ""
    return ToolCallRecord(call.get("id") or "", name, arguments, round_)


def _is_forcing(choice: Any) -> bool:
    return choice == "required" or isinstance(choice, Mapping)


def _message_of(completion: Mapping[str, Any]) -> Mapping[str, Any]:
    choices = completion.get("choices") or [{}]
    message: Mapping[str, Any] = choices[0].get("message") or {}
    calls = message.get("tool_calls")
    if not calls or (isinstance(calls, list) and all(isinstance(one, Mapping) for one in calls)):
        return message
    found = calls if isinstance(calls, list) else [calls]  # and what is no call, nobody can make
    return {**message, "tool_calls": [call for call in found if isinstance(call, Mapping)]}


def _function_of(call: Mapping[str, Any]) -> Mapping[str, Any]:
    function = call.get("function")
    return function if isinstance(function, Mapping) else {}


def _sent_back(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return an answer as a message of a request, which has fewer fields.

    Reasoning goes along: gpt-oss goes on with it after its calls.
    """
    sent: dict[str, Any] = {"role": "assistant"}
    for name in ("content", "reasoning"):
        if message.get(name):
            sent[name] = message[name]
    if message.get("tool_calls"):
        sent["tool_calls"] = [_call_sent_back(call) for call in message["tool_calls"]]
    return sent


def _call_sent_back(call: Mapping[str, Any]) -> dict[str, Any]:
    function = _function_of(call)
    return {
        "id": call.get("id") or "",
        "type": call.get("type") or "function",
        "function": {
            "name": function.get("name") or "",
            "arguments": function.get("arguments") or "{}",
        },
    }
