"""``parse``: answers that have the form of a type, checked and loaded.

``client.chat.completions.parse`` is this, with the client's own ``create``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, overload

from ._response_formats import ResponseFormat, response_format_of
from ._schemas import MisfitError
from ._text import shown
from .exceptions import BadRequestError, InvalidRequestException, StructuredOutputException
from .types.chat.chat_completion import ChatCompletion, Choice
from .types.chat.chat_completion_message import ChatCompletionMessage

T = TypeVar("T")

Create = Callable[..., Any]

_MOST_ERRORS = 3


class ParsedMessage(ChatCompletionMessage, Generic[T]):
    """A message, and what its content stands for; that is no field, so it can be sent back."""

    _parsed = None

    @property
    def parsed(self) -> T | None:
        """What the content stands for: an object of the type that was asked for."""
        return cast("T | None", self._parsed)


class ParsedChoice(Choice, Generic[T]):
    """One answer; the service gives exactly one."""

    if TYPE_CHECKING:
        message: ParsedMessage[T]


class ParsedChatCompletion(ChatCompletion, Generic[T]):
    """The answer to a chat request, and what its content stands for."""

    _first_failure = None

    if TYPE_CHECKING:
        choices: list[ParsedChoice[T]]  # type: ignore[assignment]

    @property
    def parsed(self) -> T:
        """What the content stands for: an object of the type that was asked for."""
        return cast("T", self.choices[0].message.parsed)

    @property
    def first_failure(self) -> BadRequestError | StructuredOutputException | None:
        """What was wrong with the first answer, if this is the repaired one."""
        return self._first_failure

    @property
    def repaired(self) -> bool:
        """Whether this is the second answer, because the first one did not fit."""
        return self._first_failure is not None


@overload
def parse(
    create: Create,
    *,
    response_format: type[T],
    repair: bool = False,
    strict: bool | None = None,
    **parameters: Any,
) -> ParsedChatCompletion[T]: ...


@overload
def parse(
    create: Create,
    *,
    response_format: Any,
    repair: bool = False,
    strict: bool | None = None,
    **parameters: Any,
) -> ParsedChatCompletion[Any]: ...


def parse(
    create: Create,
    *,
    response_format: Any,
    repair: bool = False,
    strict: bool | None = None,
    **parameters: Any,
) -> ParsedChatCompletion[Any]:
    """Answer a conversation in JSON that fits a type, and load it.

    Blocks as ``create`` does, for each of at most two calls. From any thread.

    Args:
        create: Answers a chat request, such as ``client.chat.completions.create``.
        response_format: The form of the answer: a model of pydantic, a dataclass, a TypedDict, a
            NamedTuple, or another type such as ``list[Item]``, a Literal or an Enum; a JSON schema
            as a dict; or the API's own mapping, which is sent as it is.
        repair: If the answer does not fit, or the service says so (``json_validate_failed``), send
            it back once with what is wrong. An answer that was cut off is not repaired.
        strict: Ask for strict mode, in which the service keeps to the schema. None for wherever
            the model is known to have it and the schema can be made strict: then every field is
            required, and those with a default may be null, which stands for the default.
        **parameters: ``model``, ``messages`` and whatever else ``create`` takes, but ``stream``.

    Returns:
        The answer; ``parsed`` is what it stands for, also on its message. Fields that the type
        does not know are left out of it, unless it is a JSON schema.

    Raises:
        StructuredOutputException: the answer is no JSON, does not fit, was cut off or refused.
        BadRequestError: with the code ``json_validate_failed``, the service found that.
        InvalidRequestException: there is a ``stream``, or ``response_format`` is no such form.
        GroqError: whatever ``create`` raises.
    """
    refuse_stream(parameters)
    wanted = response_format_of(response_format)
    asked = wanted.request(parameters.get("model"), strict)
    request = {**parameters, "response_format": asked}
    try:
        return _parsed(create(**request), wanted)
    except (StructuredOutputException, BadRequestError) as failure:
        if not (repair and _can_be_repaired(failure)):
            raise
        again = {**request, "messages": [*request.get("messages", ()), *_complaint(failure)]}
        return _repaired(create, again, wanted, failure)


def refuse_stream(parameters: dict[str, Any]) -> None:
    """Take ``stream`` out of parameters.

    Raises:
        InvalidRequestException: it asks for a stream.
    """
    if parameters.pop("stream", None):
        raise InvalidRequestException(
            "stream cannot be True here.",
            field="stream",
            value="True",
            hint="Use create(stream=True), and accumulate() for the whole answer.",
        )


# --- reading an answer ------------------------------------------------------------------------


def _parsed(
    answer: Mapping[str, Any], wanted: ResponseFormat, repairs: int = 0
) -> ParsedChatCompletion[Any]:
    completion = answer if isinstance(answer, ChatCompletion) else ChatCompletion.wrap(answer)
    choice = completion["choices"][0] if completion.get("choices") else {}
    message = choice.get("message") or {}
    text = message.get("content") or ""
    try:
        value = wanted.read(text)
    except MisfitError as error:
        said = _what_is_wrong(choice, message, error)
        raise StructuredOutputException(
            said[0],
            hint=said[1],
            text=text,
            errors=tuple(map(str, error.problems)),
            completion=completion,
            repairs=repairs,
            model=completion.get("model"),
        ) from error.__cause__
    return _with_value(completion, value)


def _what_is_wrong(
    choice: Mapping[str, Any], message: Mapping[str, Any], error: MisfitError
) -> tuple[str, str]:
    """Return a sentence and a hint."""
    if choice.get("finish_reason") == "length":
        return (
            "The answer was cut off at its cap before it was whole.",
            "Raise max_completion_tokens, of which reasoning takes its part.",
        )
    if message.get("refusal"):
        return f"The model refused: {shown(message['refusal'], 200)}", "Ask otherwise."
    if message.get("content"):
        return f"The answer does not fit: {_listed(error)}.", "Try again, or with repair=True."
    if message.get("tool_calls"):
        return (
            "The model called a tool, and answered nothing.",
            "Leave tools out, or use run_tools.",
        )
    return "The answer is empty.", "Try again, or raise max_completion_tokens."


def _listed(error: MisfitError) -> str:
    first = "; ".join(map(str, error.problems[:_MOST_ERRORS]))
    more = len(error.problems) - _MOST_ERRORS
    return f"{first}; and {more} more" if more > 0 else first


def _with_value(completion: ChatCompletion, value: Any) -> ParsedChatCompletion[Any]:
    first, *others = completion["choices"]
    message: ParsedMessage[Any] = ParsedMessage(first["message"])
    object.__setattr__(message, "_parsed", value)
    choice: ParsedChoice[Any] = ParsedChoice({**first, "message": message})
    answer: ParsedChatCompletion[Any] = ParsedChatCompletion(completion)
    answer["choices"] = [choice, *others]
    answer.__setstate__(completion.__getstate__() or {})  # how it came about goes along
    return answer


# --- the second attempt -----------------------------------------------------------------------


def _can_be_repaired(failure: BadRequestError | StructuredOutputException) -> bool:
    if isinstance(failure, BadRequestError):
        return failure.code == "json_validate_failed"
    assert failure.completion is not None
    choices = failure.completion.get("choices") or [{}]
    message = choices[0].get("message") or {}
    return choices[0].get("finish_reason") != "length" and not message.get("refusal")


def _complaint(failure: BadRequestError | StructuredOutputException) -> list[dict[str, str]]:
    """Return the messages that send an answer back; none if there was none: it is asked anew."""
    text, errors = _failed(failure)
    if not text:
        return []
    listed = "\n".join(f"- {error}" for error in errors)
    return [
        {"role": "assistant", "content": text},
        {
            "role": "user",
            "content": f"This does not fit what was asked for:\n{listed}\n"
            "Answer again with the whole JSON, corrected, and nothing else.",
        },
    ]


def _failed(failure: BadRequestError | StructuredOutputException) -> tuple[str, tuple[str, ...]]:
    if isinstance(failure, StructuredOutputException):
        return failure.text, failure.errors
    body = failure.body if isinstance(failure.body, Mapping) else {}
    error = body.get("error", body)
    text = error.get("failed_generation") if isinstance(error, Mapping) else None
    return text if isinstance(text, str) else "", (failure.message,)


def _repaired(
    create: Create,
    request: dict[str, Any],
    wanted: ResponseFormat,
    first: BadRequestError | StructuredOutputException,
) -> ParsedChatCompletion[Any]:
    try:
        answer = _parsed(create(**request), wanted, repairs=1)
    except (StructuredOutputException, BadRequestError) as second:
        raise second from first
    object.__setattr__(answer, "_first_failure", first)
    return answer
