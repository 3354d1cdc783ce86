"""Making the calls that a model asks for, and keeping what became of them."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

from ._schemas import MisfitError
from ._signatures import Tool
from ._tool_results import result_text
from .exceptions import ToolCallException

_MOST_THREADS = 8

Message = Mapping[str, Any]


@dataclass(frozen=True)
class ToolCallRecord:
    """What became of one call.

    Attributes:
        id: The call's name, by which its result is told.
        name: The tool's name, as the model wrote it.
        arguments: Its arguments, JSON text as the model wrote it.
        round: In which round it was made, from 1.
        content: What the model was told.
        result: What the function returned; None if it failed.
        error: What went wrong, or None.
    """

    id: str
    name: str
    arguments: str
    round: int
    content: str = ""
    result: Any = None
    error: Exception | None = None


class ToolCaller:
    """Makes calls, and keeps what became of them; ``records`` has all, in order."""

    def __init__(
        self,
        tools: list[Tool],
        parallel: bool,
        raises: bool,
        on_call: Callable[[ToolCallRecord], object] | None,
    ) -> None:
        self.records: list[ToolCallRecord] = []
        self._tools = {tool.name: tool for tool in tools if tool.name}
        self._parallel = parallel
        self._raises = raises
        self._on_call = on_call

    def results(
        self, calls: list[ToolCallRecord], messages: list[Message]
    ) -> Iterator[ToolCallRecord]:
        """Make calls, and yield what became of each, in order.

        Raises:
            ToolCallException: one failed, and that is to be raised, with the ``messages`` so far.
        """
        for record in self._made(calls):
            if self._raises and record.error is not None:
                raise _failure(record, messages) from record.error
            self.records.append(record)
            yield record
            if self._on_call is not None:
                self._on_call(record)

    def _made(self, calls: list[ToolCallRecord]) -> Iterable[ToolCallRecord]:
        if not self._parallel or len(calls) == 1:
            return map(self._make, calls)
        with ThreadPoolExecutor(min(len(calls), _MOST_THREADS), "groq-tool") as pool:
            futures = [
                pool.submit(contextvars.copy_context().run, self._make, call) for call in calls
            ]
        return [future.result() for future in futures]

    def _make(self, call: ToolCallRecord) -> ToolCallRecord:
        tool = self._tools.get(call.name)
        if tool is None:
            known = ", ".join(self._tools)
            error: Exception = LookupError(f"There is no tool named {call.name!r}.")
            return replace(call, error=error, content=f"Error: {error} There are: {known}.")
        try:
            arguments = tool.load(call.arguments)
        except MisfitError as error:
            return replace(call, error=error, content=_complaint(error))
        return _called(tool, call, arguments)


def _called(tool: Tool, call: ToolCallRecord, arguments: dict[str, Any]) -> ToolCallRecord:
    try:
        result = tool.call(arguments)
    except Exception as error:
        said = f"Error: the tool failed with {type(error).__name__}: {error}"
        return replace(call, error=error, content=said)
    try:
        return replace(call, result=result, content=result_text(result))
    except Exception as error:
        said = f"Error: the tool's result cannot be told: {error}"
        return replace(call, result=result, error=error, content=said)


def _complaint(error: MisfitError) -> str:
    listed = "; ".join(map(str, error.problems))
    return f"Error: the tool was not called, because its arguments do not fit: {listed}."


def _failure(record: ToolCallRecord, messages: list[Message]) -> ToolCallException:
    return ToolCallException(
        f"A call of {record.name!r} failed: {record.content.removeprefix('Error: ')}",
        tool=record.name,
        arguments=record.arguments,
        messages=tuple(messages),
    )
