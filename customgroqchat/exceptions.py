"""Every error that a call can end with.

::

    GroqError (= CustomGroqChatException)
    ├── APIError                          the service, or the way to it
    │   ├── APIStatusError                it answered with a status of 300 or more
    │   │   ├── BadRequestError               400
    │   │   ├── AuthenticationError           401
    │   │   ├── PermissionDeniedError         403
    │   │   ├── NotFoundError                 404
    │   │   ├── ConflictError                 409
    │   │   ├── RequestTooLargeError          413
    │   │   ├── UnprocessableEntityError      422
    │   │   ├── RateLimitError                429  (also a RateLimitExceededException)
    │   │   ├── CapacityExceededError         498
    │   │   └── InternalServerError           500 and above
    │   ├── APIResponseValidationError    it answered with something that is not its API
    │   └── APIConnectionError            no answer, or not all of it
    │       ├── APITimeoutError               not in time
    │       └── IncompleteStreamError         a stream broke off after it had begun
    ├── RateLimitExceededException        a limit is used up: the wait would be longer than allowed,
    │                                     or (its subclass RateLimitError) the service refused
    └── ClientError                       said by this client itself
        ├── ConfigLoaderException             the configuration is wrong
        ├── InvalidRequestException           the request is wrong (also a ValueError)
        ├── StructuredOutputException         the answer does not fit (also a ValueError)
        ├── ToolCallException                 a call of a tool failed
        ├── ToolLoopException                 the model calls tools again and again
        ├── ModelNotFoundException            the configuration does not know the model
        ├── TokenLimitExceededException       larger than the context window or than a whole bucket
        ├── QueueFullException                no room in the queue (also a queue.Full)
        ├── RequestCancelledException         cancelled (also a concurrent.futures.CancelledError)
        └── ClientClosedException             the client was closed

Names of the first branch are those of Groq's own SDK, so that only an import line changes. Facts
are attributes, ``hint`` says what to do, ``to_dict()`` gives all of it for a log or a JSON answer.
All of them can be pickled, and none carries an API key.
"""

from __future__ import annotations

import inspect
import queue
from collections.abc import Mapping
from concurrent.futures import CancelledError
from typing import Any, cast

from ._records import Attempt, ConfigProblem, RequestInfo, ResponseInfo

__all__ = [
    "APIConnectionError",
    "APIError",
    "APIResponseValidationError",
    "APIStatusError",
    "APITimeoutError",
    "AuthenticationError",
    "BadRequestError",
    "CapacityExceededError",
    "ClientClosedException",
    "ClientError",
    "ConfigLoaderException",
    "ConflictError",
    "CustomGroqChatException",
    "GroqError",
    "IncompleteStreamError",
    "InternalServerError",
    "InvalidRequestException",
    "ModelNotFoundException",
    "NotFoundError",
    "PermissionDeniedError",
    "QueueFullException",
    "RateLimitError",
    "RateLimitExceededException",
    "RequestCancelledException",
    "RequestTooLargeError",
    "StructuredOutputException",
    "TokenLimitExceededException",
    "ToolCallException",
    "ToolLoopException",
    "UnprocessableEntityError",
]


class GroqError(Exception):
    """Base of every error of this package.

    Attributes:
        message: What happened, in one sentence.
        hint: What to do about it, or None.
        model: The model of the request, where there was one.
        attempts: How often the request was sent, 0 if never.
        waited: Seconds the request spent in the queue before it ended.
        history: How each of these attempts went, oldest first.
        fallbacks: The models that were asked before this one, and could not.

    Further facts, named in each class, are given as keywords and kept as attributes.
    """

    message: str
    hint: str | None = None
    model: str | None = None
    attempts: int = 0
    waited: float = 0.0
    history: tuple[Attempt, ...] = ()
    fallbacks: tuple[Any, ...] = ()

    # Everything but the message is a keyword with a default, kept in __dict__: that is what lets
    # the inherited __reduce__ rebuild an error from (class, args, __dict__).
    def __init__(self, message: str = "", **facts: Any) -> None:
        super().__init__(message)
        self.message = message
        for name, value in facts.items():
            if name not in _facts_of(type(self)):
                raise TypeError(f"{type(self).__name__} has no fact named {name!r}")
            if value is not None:
                setattr(self, name, value)

    def __str__(self) -> str:
        """Return the message, followed by the hint where there is one."""
        return f"{self.message} Hint: {self.hint}" if self.hint else self.message

    @property
    def retries_taken(self) -> int:
        """How often the request was sent again."""
        return max(0, self.attempts - 1)

    def to_dict(self) -> dict[str, Any]:
        """Return the class name, the message and every fact, as plain JSON values."""
        facts = {name: _plain(getattr(self, name)) for name in _facts_of(type(self))}
        return {"error": type(self).__name__, "message": self.message, **facts}


CustomGroqChatException = GroqError


def _facts_of(cls: type[GroqError]) -> tuple[str, ...]:
    """Return the names of a class's facts: the annotated attributes, but for the message."""
    names = {name for base in cls.__mro__ for name in inspect.get_annotations(base)}
    return tuple(sorted(names - {"message"}))


# --- what the service says -------------------------------------------------------------------


class APIError(GroqError):
    """The request reached, or tried to reach, the service and failed there.

    Attributes:
        request: Method and address of the request, or None.
        body: What was answered: parsed JSON, else text, else None.
        code: The service's word for the error, such as ``"rate_limit_exceeded"``.
        type: The service's kind of error, such as ``"invalid_request_error"``.
        param: The field that the service objects to.
        failed_generation: What the model wrote that was no call of a tool, or no such JSON.
        request_id: The service's name for the request; quote it to support.
        retry_after: Seconds after which the same request can succeed, if known.
    """

    request: RequestInfo | None = None
    body: object = None
    code: str | None = None
    type: str | None = None
    param: str | None = None
    failed_generation: str | None = None
    request_id: str | None = None
    retry_after: float | None = None


class APIStatusError(APIError):
    """The service answered with an error status.

    Attributes:
        status_code: The HTTP status.
        response: Status, headers and text of the answer.
    """

    status_code: int = 0
    # None only in one that nobody has received, such as a test's.
    response: ResponseInfo = cast("ResponseInfo", None)


class BadRequestError(APIStatusError):
    """400: the service does not accept the request; sending it again will not help.

    Attributes:
        successor: The model to use instead, if the one of the request was shut down.
    """

    successor: str | None = None


class AuthenticationError(APIStatusError):
    """401: the API key is missing, wrong or revoked."""


class PermissionDeniedError(APIStatusError):
    """403: the key may not do this, or the network is blocked."""


class NotFoundError(APIStatusError):
    """404: no such model, file, batch or address.

    Attributes:
        successor: The model to use instead, if the one of the request was shut down.
    """

    successor: str | None = None


class ConflictError(APIStatusError):
    """409: the request conflicts with another one."""


class RequestTooLargeError(APIStatusError):
    """413: the request alone is larger than a whole limit, so waiting cannot help.

    Attributes:
        dimension: The limit that is too small, such as ``"TPM"``, if the answer names it.
        limit: That limit, in tokens (or requests, or seconds of audio).
        requested: What the service charges for this request, in the same unit.
    """

    dimension: str | None = None
    limit: int | None = None
    requested: int | None = None


class UnprocessableEntityError(APIStatusError):
    """422: well-formed, and still not understood."""


class CapacityExceededError(APIStatusError):
    """498: the flex tier has no capacity right now."""


class InternalServerError(APIStatusError):
    """500 and above: the service or its edge failed."""


class APIResponseValidationError(APIError):
    """The answer has a good status but is not what the API promises (not JSON, say).

    Attributes:
        status_code: The HTTP status.
        response: Status, headers and the beginning of the text.
    """

    status_code: int = 0
    response: ResponseInfo | None = None


class APIConnectionError(APIError):
    """The service could not be reached, or the connection broke; ``__cause__`` says how.

    Attributes:
        may_have_arrived: The request may have reached the service, and may be charged.
    """

    may_have_arrived: bool = True


class APITimeoutError(APIConnectionError):
    """The connection or the answer took longer than the timeout, or all of it than the deadline.

    Attributes:
        spent: Where the time of a deadline went: seconds by ``"preparing"``, ``"queue"`` and by
            phase (``"connecting"``, ``"sending"``, ``"waiting"``, ``"reading"``, ``"paused"``).
    """

    spent: Mapping[str, float] | None = None


class IncompleteStreamError(APIConnectionError):
    """A stream broke off, and something of it was handed over, or no other try is left.

    Attributes:
        text: What was said so far.
        usage: The usage, as far as it is known: an estimate, if the service did not come to that.
    """

    text: str = ""
    usage: Mapping[str, Any] | None = None


# --- what this client says -------------------------------------------------------------------


class ClientError(GroqError):
    """Refused or ended by this client itself."""


class ConfigLoaderException(ClientError):
    """The configuration is wrong; the message lists everything that is.

    Attributes:
        problems: One record for each wrong value: source, key, found, allowed.
        config_key: The key concerned, where it is a single one.
    """

    problems: tuple[ConfigProblem, ...] = ()
    config_key: str | None = None


class InvalidRequestException(ClientError, ValueError):
    """The request cannot be right, and was not sent.

    Attributes:
        field: Where, such as ``"messages[2].role"``.
        value: What was given there (its repr, shortened).
    """

    field: str | None = None
    value: str | None = None


class StructuredOutputException(ClientError, ValueError):
    """The answer is not what was asked for: no JSON, not all of it, or JSON that does not fit.

    Attributes:
        text: What was answered.
        errors: What is wrong with it, each with its place: ``"items[0].price: expected ..."``.
        completion: The whole answer, in which the tokens are that it has cost.
        repairs: How often it was sent back to be repaired before.
    """

    text: str = ""
    errors: tuple[str, ...] = ()
    completion: Mapping[str, Any] | None = None
    repairs: int = 0


class ToolCallException(ClientError):
    """A call of a tool failed, and errors are to be raised; ``__cause__`` is the tool's own.

    Attributes:
        tool: Its name, as the model wrote it.
        arguments: Its arguments, as the model wrote them.
        messages: The conversation up to this call.
    """

    tool: str | None = None
    arguments: str | None = None
    messages: tuple[Mapping[str, Any], ...] = ()


class ToolLoopException(ClientError):
    """The model still calls tools after as many rounds as were allowed.

    Attributes:
        rounds: How many that were.
        messages: The conversation, up to the results of the last round.
    """

    rounds: int = 0
    messages: tuple[Mapping[str, Any], ...] = ()


class ModelNotFoundException(ClientError):
    """The model is not in the configuration, and the configuration is strict.

    Attributes:
        known: The models that are.
        successor: The model that replaces it, if it was shut down.
    """

    known: tuple[str, ...] = ()
    successor: str | None = None


class TokenLimitExceededException(ClientError):
    """The request can never pass: it is larger than its model or than a whole bucket allows.

    Attributes:
        dimension: ``"context_window"`` or ``"max_completion_tokens"``, the sizes of the model, or
            the bucket: ``"TPM"``, ``"TPD"``, ...
        limit: Its size in tokens.
        requested: What the request needs in tokens.
        prompt_tokens: The part of it that is the prompt.
    """

    dimension: str | None = None
    limit: int | None = None
    requested: int | None = None
    prompt_tokens: int | None = None


class RateLimitExceededException(GroqError):
    """A rate limit is used up, and the request would wait longer than its caller allows.

    Catching it catches both: the refusal by this client, before anything is sent, and the one by
    the service (:class:`RateLimitError`).

    Attributes:
        dimension: The limit that binds: ``"RPM"``, ``"TPM"``, ``"RPD"``, ``"TPD"``, ...
        limit: Its size.
        used: How much of it is in use.
        requested: How much the request needs.
        retry_after: Seconds after which it can be sent.
        available_at: When that is, in seconds since 1970 (UTC), or None if it is not known.
    """

    dimension: str | None = None
    limit: int | None = None
    used: int | None = None
    requested: int | None = None
    retry_after: float | None = None
    available_at: float | None = None


class RateLimitError(APIStatusError, RateLimitExceededException):
    """429: the service refused the request because a rate limit is used up.

    ``dimension``, ``limit``, ``used``, ``requested`` and ``retry_after`` are what its text says.
    """


class QueueFullException(ClientError, queue.Full):
    """The queue holds as many requests as it may.

    Attributes:
        limit: How many that is.
    """

    limit: int | None = None


class RequestCancelledException(ClientError, CancelledError):
    """The request was cancelled by another thread before it had an answer."""


class ClientClosedException(ClientError):
    """The client was closed before the request was sent, or while it was on its way."""


def _plain(value: object) -> Any:
    if hasattr(value, "to_dict"):
        return value.to_dict()
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
