"""Answers: dicts whose keys are attributes as well.

The annotations tell editors what the service is known to send; nothing is checked, and fields
that nobody knows yet are kept. Being dicts, answers go through ``json.dumps``, Django's
``JsonResponse``, Flask's ``jsonify``, caches and pickles as they are.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping
from typing import Any, TypeVar, get_args, get_type_hints

from ._records import AnswerFacts, Attempt

T = TypeVar("T", bound="APIObject")
A = TypeVar("A", bound="APIAnswer")


class APIObject(dict[str, Any]):
    """A JSON object of the service: ``answer["usage"]`` and ``answer.usage`` are the same.

    A name that is neither a field nor known to the class raises AttributeError; one that is known
    (annotated) and was not sent is None. Where a field is named like a method of dict, such as
    ``items``, only ``answer["items"]`` reaches it.
    """

    @classmethod
    def wrap(cls: type[T], data: Mapping[str, Any]) -> T:
        """Return ``data`` as this class, with everything inside it wrapped as well."""
        fields = _fields(cls)
        return cls(
            (key, _wrapped(value, fields.get(key, APIObject)))
            if value.__class__ in _CONTAINERS
            else (key, value)
            for key, value in data.items()
        )

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            if name in _fields(type(self)):
                return None
            raise AttributeError(f"{type(self).__name__} has no field {name!r}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __delattr__(self, name: str) -> None:
        try:
            del self[name]
        except KeyError:
            raise AttributeError(name) from None

    def __repr__(self) -> str:
        return f"{type(self).__name__}({dict.__repr__(self)})"

    def __copy__(self: T) -> T:
        return type(self)(self)

    def __deepcopy__(self: T, memo: dict[int, Any]) -> T:
        return type(self)((key, copy.deepcopy(value, memo)) for key, value in self.items())

    def __reduce__(self) -> Any:
        return type(self), (dict(self),)

    def to_dict(self) -> dict[str, Any]:
        """Return plain dicts and lists."""
        return {key: _unwrapped(value) for key, value in self.items()}

    def model_dump(self, **_: Any) -> dict[str, Any]:
        """Return plain dicts and lists; named as in the official SDK, whose options are ignored."""
        return self.to_dict()

    def to_json(self, *, indent: int | None = 2) -> str:
        """Return JSON text."""
        return json.dumps(self, indent=indent, ensure_ascii=False)

    def model_dump_json(self, *, indent: int | None = None, **_: Any) -> str:
        """Return JSON text; named as in the official SDK."""
        return self.to_json(indent=indent)


class APIAnswer(APIObject):
    """An object that is a whole answer, and knows how it came about; that is no field of it."""

    # Kept beside the fields, and handed on by pickle and copy like any attribute of a dict's.
    _facts = AnswerFacts()

    def note(self: A, facts: AnswerFacts) -> A:
        """Keep how it came about; returns itself."""
        object.__setattr__(self, "_facts", facts)
        return self

    @property
    def request_id(self) -> str | None:
        """The service's name for the request; quote it to support."""
        return self._facts.request_id

    @property
    def headers(self) -> Mapping[str, str]:
        """The headers of the answer; their names' case does not matter."""
        return self._facts.headers

    @property
    def waited_s(self) -> float:
        """Seconds that the request waited before it was sent."""
        return self._facts.waited_s

    @property
    def history(self) -> tuple[Attempt, ...]:
        """How each attempt went, oldest first."""
        return self._facts.history

    @property
    def attempts(self) -> int:
        """How often the request was sent."""
        return len(self._facts.history)

    @property
    def retries_taken(self) -> int:
        """How often it was sent again."""
        return max(0, self.attempts - 1)

    def __copy__(self: A) -> A:
        return super().__copy__().note(self._facts)

    def __deepcopy__(self: A, memo: dict[int, Any]) -> A:
        return super().__deepcopy__(memo).note(self._facts)

    def __reduce__(self) -> Any:
        return type(self), (dict(self),), {"_facts": self._facts}


_CONTAINERS = frozenset({dict, list})


def _wrapped(value: Any, cls: type[APIObject]) -> Any:
    if value.__class__ is dict:
        return cls.wrap(value)
    return [_wrapped(item, cls) if item.__class__ in _CONTAINERS else item for item in value]


def _unwrapped(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _unwrapped(item) for key, item in value.items()}
    return [_unwrapped(item) for item in value] if isinstance(value, list) else value


def _fields(cls: type[APIObject]) -> dict[str, type[APIObject]]:
    """Return the annotated fields of a class, each with the class that objects in it become."""
    found = _FIELDS.get(cls)
    if found is None:
        found = {name: _object_class(hint) for name, hint in get_type_hints(cls).items()}
        _FIELDS[cls] = found  # two threads may find out the same; no harm is done
    return found


_FIELDS: dict[type[APIObject], dict[str, type[APIObject]]] = {}


def _object_class(hint: Any) -> type[APIObject]:
    """Return the class of ours in an annotation such as ``list[Choice] | None``."""
    if isinstance(hint, type) and issubclass(hint, APIObject):
        return hint
    inner = (_object_class(part) for part in get_args(hint))
    return next((cls for cls in inner if cls is not APIObject), APIObject)


# --- chat ------------------------------------------------------------------------------------


class Function(APIObject):
    """The function of a tool call; ``arguments`` is JSON text as the model wrote it."""

    name: str
    arguments: str


class ToolCall(APIObject):
    """A call that the model wants made."""

    id: str
    type: str
    function: Function


class ChatCompletionMessage(APIObject):
    """What the model answered."""

    role: str
    content: str | None
    reasoning: str | None
    tool_calls: list[ToolCall] | None


class Choice(APIObject):
    """One answer; the service gives exactly one."""

    index: int
    finish_reason: str
    message: ChatCompletionMessage
    logprobs: Any


class CompletionUsage(APIObject):
    """What the request used: counts in tokens, times in seconds."""

    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    queue_time: float | None
    prompt_time: float | None
    completion_time: float | None
    total_time: float | None
    prompt_tokens_details: APIObject | None
    completion_tokens_details: APIObject | None


class ChatCompletion(APIAnswer):
    """The answer to a chat request."""

    id: str
    object: str
    created: int
    model: str
    choices: list[Choice]
    usage: CompletionUsage
    system_fingerprint: str | None
    service_tier: str | None
    x_groq: APIObject | None


class FunctionDelta(APIObject):
    """A piece of a function: its name comes whole, ``arguments`` may come bit by bit."""

    name: str | None
    arguments: str | None


class ToolCallDelta(APIObject):
    """A piece of the tool call that ``index`` tells."""

    index: int
    id: str | None
    type: str | None
    function: FunctionDelta | None


class ChoiceDelta(APIObject):
    """What a chunk adds to the message."""

    role: str | None
    content: str | None
    reasoning: str | None
    channel: str | None
    tool_calls: list[ToolCallDelta] | None


class ChunkChoice(APIObject):
    """A piece of one answer; the last one has the reason of its end."""

    index: int
    delta: ChoiceDelta
    finish_reason: str | None
    logprobs: Any


class ChatCompletionChunk(APIObject):
    """One event of a streamed chat answer; ``choices`` is empty in the one for the usage."""

    id: str
    object: str
    created: int
    model: str
    choices: list[ChunkChoice]
    usage: CompletionUsage | None
    system_fingerprint: str | None
    service_tier: str | None
    x_groq: APIObject | None


# --- text completion (converted from chat) ---------------------------------------------------


class TextChoice(APIObject):
    """One completed text."""

    index: int
    text: str
    finish_reason: str
    logprobs: Any


class TextCompletion(APIAnswer):
    """The answer to a text completion: a chat answer in the older shape."""

    id: str
    object: str
    created: int
    model: str
    choices: list[TextChoice]
    usage: CompletionUsage
    system_fingerprint: str | None


# --- models ----------------------------------------------------------------------------------


class Model(APIObject):
    """What the service says of one model."""

    id: str
    object: str
    created: int
    owned_by: str
    active: bool | None
    context_window: int | None
    max_completion_tokens: int | None
    pricing: APIObject | None


class ModelList(APIAnswer):
    """The models that the key may use, in ``data``."""

    object: str
    data: list[Model]
