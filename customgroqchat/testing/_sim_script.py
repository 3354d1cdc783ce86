"""What the models say: what a test has written for them, calls of tools, JSON, or an echo."""

from __future__ import annotations

import json
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ._sim_schema import example
from ._sim_tokens import answer_pieces, text_pieces

Payload = Mapping[str, Any]
Scripted = str | Mapping[str, Any]
"""A text, or a message: ``content``, ``reasoning`` and ``tool_calls`` (``name``, ``arguments``)."""
Answers = Scripted | Iterable[Scripted] | Callable[[Payload], Scripted | None]


class Spoilt(str):
    """JSON that the service refuses to hand out, whatever it looks like."""

    __slots__ = ()


@dataclass(frozen=True)
class Utterance:
    """What a model would say if nothing cut it short, in pieces of one token each."""

    reasoning: list[str] = field(default_factory=list)
    content: list[str] = field(default_factory=list)
    calls: list[tuple[str, list[str]]] = field(default_factory=list)
    spoilt: bool = False


class Script:
    """The answers that a test has written, and which tools are called. From any thread."""

    def __init__(self, answers: Answers | None, call_tools: bool | Collection[str]) -> None:
        """Start with these; see ``SimulatedGroq``."""
        self._lock = threading.Lock()
        self._garbled: deque[Spoilt] = deque()
        self.set_answers(answers)
        self.set_tools(call_tools)

    def set_answers(self, answers: Answers | None) -> None:
        """Let these be the next answers, in place of those that still waited."""
        rule = answers if callable(answers) else None
        supply = () if answers is None or callable(answers) else answers
        with self._lock:
            self._waiting: deque[Scripted] = deque()
            self._rule = rule
            self._supply = iter([supply] if isinstance(supply, str | Mapping) else supply)

    def set_tools(self, tools: bool | Collection[str]) -> None:
        """Let the first tool be called that is offered, or none, or these."""
        self._tools = {tools} if isinstance(tools, str) else tools

    def add(self, answers: Iterable[Scripted]) -> None:
        """Let these be the next answers, before those of :meth:`set_answers`."""
        with self._lock:
            self._waiting.extend(answers)

    def garble(self, text: str, times: int) -> None:
        """Let the next ``times`` answers in JSON be this, which is refused."""
        with self._lock:
            self._garbled.extend([Spoilt(text)] * times)

    def clear(self) -> None:
        """Drop all answers that wait; a callable stays."""
        with self._lock:
            self._waiting.clear()
            self._garbled.clear()
            self._supply = iter(())

    def utterance(self, payload: Payload, wanted: int, reasoning: int) -> Utterance:
        """What the model says to ``payload``: ``wanted`` tokens, unless it was told what."""
        scripted = self._next(payload)
        if scripted is not None:
            return _as_told(scripted)
        thoughts = answer_pieces(payload, min(reasoning, wanted))
        tools = _forced_tools(payload) or self._tools_to_call(payload)
        if tools:
            calls = [(name, _arguments(payload, name)) for name in tools]
            return Utterance(thoughts, calls=calls)
        return Utterance(thoughts, _content(payload, wanted - len(thoughts)))

    def _next(self, payload: Payload) -> Scripted | None:
        with self._lock:
            if self._garbled and wants_json(payload):
                return self._garbled.popleft()
            if self._waiting:
                return self._waiting.popleft()
            supplied, rule = next(self._supply, None), self._rule
        return supplied if rule is None else rule(payload)

    def _tools_to_call(self, payload: Payload) -> list[str]:
        offered = _offered_tools(payload)
        if not self._tools or payload.get("tool_choice") == "none" or _has_result(payload):
            return []
        if self._tools is True:
            return offered[:1]
        return [name for name in offered if name in self._tools]


def wants_json(payload: Payload) -> bool:
    """Whether the answer has to be JSON."""
    return (payload.get("response_format") or {}).get("type") in ("json_object", "json_schema")


def _as_told(scripted: Scripted) -> Utterance:
    if isinstance(scripted, str):
        return Utterance(content=text_pieces(scripted), spoilt=isinstance(scripted, Spoilt))
    calls = [call.get("function", call) for call in scripted.get("tool_calls") or []]
    return Utterance(
        text_pieces(scripted.get("reasoning") or ""),
        text_pieces(scripted.get("content") or ""),
        [(str(call["name"]), _as_json(call.get("arguments", {}))) for call in calls],
    )


def _as_json(value: Any) -> list[str]:
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text_pieces(text)


def offered_functions(payload: Payload) -> list[dict[str, Any]]:
    """The functions that the model may call."""
    functions = [tool.get("function") or {} for tool in payload.get("tools") or []]
    return [function for function in functions if function.get("name")]


def _offered_tools(payload: Payload) -> list[str]:
    return [str(function["name"]) for function in offered_functions(payload)]


def _forced_tools(payload: Payload) -> list[str]:
    """The function that ``tool_choice`` obliges the model to call, if it does."""
    choice = payload.get("tool_choice")
    if isinstance(choice, dict):
        name = (choice.get("function") or {}).get("name")
        return [str(name)] if name else []
    return _offered_tools(payload)[:1] if choice == "required" else []


def _has_result(payload: Payload) -> bool:
    """Whether a tool has answered since the user last spoke."""
    for message in reversed(payload["messages"]):
        if message.get("role") in ("tool", "function"):
            return True
        if message.get("role") == "user":
            return False
    return False


def _arguments(payload: Payload, name: str) -> list[str]:
    for function in offered_functions(payload):
        if function["name"] == name:
            return _as_json(example({"type": "object", **(function.get("parameters") or {})}))
    return ["{}"]


def _content(payload: Payload, number: int) -> list[str]:
    format_ = payload.get("response_format") or {}
    if format_.get("type") == "json_schema":
        return _as_json(example((format_.get("json_schema") or {}).get("schema")))
    if format_.get("type") == "json_object":
        # Eight pieces are the object around the text: {"answer": "…"}.
        text = "".join(answer_pieces(payload, max(0, number - 8))).replace('"', "'")
        return _as_json({"answer": text.replace("\\", "/")})
    return answer_pieces(payload, number)
