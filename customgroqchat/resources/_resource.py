"""What all resources have in common."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ParamSpec, TypedDict, TypeVar, cast

from .._asking import Call, asked
from .._caller import Caller, Form, Reply
from .._http import path_of
from .._response import (
    APIResponse,
    BinaryAPIResponse,
    ResponseContext,
    StreamedAPIResponse,
    StreamedBinaryAPIResponse,
)
from .._types import NOT_GIVEN
from ..exceptions import InvalidRequestException

if TYPE_CHECKING:
    from .._futures import Callback
    from .._ordering import Priority
    from .._types import Omit, Timeout

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S", bound="Resource")


class DirectOptions(TypedDict, total=False):
    """Keywords that every method takes.

    ``extra_headers``, ``extra_query`` and ``extra_body`` are added to what is sent, and win;
    ``timeout`` is seconds, (connect, read), or None for none; ``deadline`` is seconds from now in
    which the call shall have ended; ``max_retries`` is how often it is sent again after a fault.
    """

    extra_headers: Mapping[str, str | Omit] | None
    extra_query: Mapping[str, object] | None
    extra_body: Mapping[str, object] | None
    timeout: Timeout
    deadline: float | None
    max_retries: int | None


class PacedOptions(DirectOptions, total=False):
    """Keywords of the methods whose requests count for limits, beside the common ones.

    ``priority`` is ``"high"``, ``"normal"``, ``"low"`` or an integer, smaller is sooner;
    ``max_wait`` is seconds that the request may wait before it is sent, None for as long as it
    takes; ``tag`` names a group of requests; ``callback`` is called once with the answer or the
    error; ``fallbacks`` are models to ask instead if this one cannot be had today.
    """

    priority: Priority
    max_wait: float | None
    tag: str | None
    callback: Callback | None
    fallbacks: Sequence[str] | None


class Resource:
    """A part of the API.

    Args:
        caller: Makes its calls.
        form: In what form answers are wanted.
    """

    def __init__(self, caller: Caller, form: Form = Form.PARSED) -> None:
        self._caller = caller
        self._form = form

    def _as(self: S, form: Form) -> S:
        """Return the same resource with answers of another form."""
        return type(self)(self._caller, form)

    def _asked(self, parameters: Mapping[str, Any]) -> Call:
        return asked(parameters, self._caller.defaults, self._caller.config().max_wait)

    def _reply(
        self, whole: Callable[[Any], Any] | None, stream: Callable[[Any], Any] | None = None
    ) -> Reply:
        return Reply(whole, stream, self._form)

    def _direct(
        self,
        method: str,
        path: str,
        whole: Callable[[Any], Any] | None,
        parameters: Mapping[str, Any],
        **more: Any,
    ) -> Any:
        """Send a request that counts for no limit.

        Raises:
            TypeError: a keyword is none of :class:`DirectOptions`.
        """
        check_keywords(parameters)
        return self._caller.direct(
            method, path, self._asked(parameters), self._reply(whole), **more
        )


def spelt_out(method: Callable[..., Any], *keywords: Any) -> None:
    """Have a method's signature name its keywords, for tools that bind arguments by it.

    Args:
        method: It takes them as ``**parameters``.
        *keywords: What it takes: classes of ``TypedDict``.
    """
    own = inspect.signature(method)
    named = [one for one in own.parameters.values() if one.kind is not one.VAR_KEYWORD]
    known = {one.name for one in named}
    more = dict.fromkeys(name for each in keywords for name in each.__annotations__)
    named += [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=NOT_GIVEN)
        for name in more
        if name not in known
    ]
    method.__signature__ = own.replace(  # type: ignore[attr-defined]
        parameters=[*named, inspect.Parameter("extra", inspect.Parameter.VAR_KEYWORD)]
    )


def check_keywords(keywords: Mapping[str, Any]) -> None:
    """Refuse keywords that would have no effect. Raises TypeError."""
    for name in keywords:
        if name not in DirectOptions.__annotations__:
            raise TypeError(f"{name!r} is no keyword of this method")


def path_with(start: str, name: str, value: object, end: str = "") -> str:
    """Return a path with a value of the caller's in it.

    Raises:
        InvalidRequestException: the value is empty, which would ask for something else.
    """
    if not isinstance(value, str) or not value.strip():
        raise _wrong_path(name, value, f"Expected a non-empty value for `{name}`")
    if value in (".", ".."):  # which servers take for other paths
        raise _wrong_path(name, value, f"Expected a name for `{name}`")
    return f"{start}{path_of(value)}{end}"


def _wrong_path(name: str, value: object, expected: str) -> InvalidRequestException:
    return InvalidRequestException(
        f"{expected} but received {value!r}",
        field=name,
        value=repr(value),
        hint=f"Give the {name} as the service told it.",
    )


# --- answers in other forms: the same methods, as far as their arguments go ---------------------


def raw(method: Callable[P, R]) -> Callable[P, APIResponse[R]]:
    """Return a method of a resource whose answers have their HTTP around them."""
    return cast(Callable[P, APIResponse[R]], _in_form(method, Form.RAW))


def raw_bytes(method: Callable[P, Any]) -> Callable[P, BinaryAPIResponse]:
    """The same, for an answer that is no JSON."""
    return cast(Callable[P, BinaryAPIResponse], _in_form(method, Form.RAW))


def lazy(method: Callable[P, R]) -> Callable[P, ResponseContext[StreamedAPIResponse[R]]]:
    """Return a method of a resource whose answers are read when they are asked for."""
    opening = _opening(_in_form(method, Form.LAZY))
    return cast(Callable[P, ResponseContext[StreamedAPIResponse[R]]], opening)


def lazy_bytes(
    method: Callable[P, Any],
) -> Callable[P, ResponseContext[StreamedBinaryAPIResponse]]:
    """The same, for an answer that is no JSON."""
    opening = _opening(_in_form(method, Form.LAZY))
    return cast(Callable[P, ResponseContext[StreamedBinaryAPIResponse]], opening)


def _in_form(method: Any, form: Form) -> Any:
    return getattr(method.__self__._as(form), method.__name__)


def _opening(method: Any) -> Any:
    def open_later(*args: Any, **keywords: Any) -> ResponseContext[Any]:
        return ResponseContext(lambda: method(*args, **keywords))

    open_later.__doc__ = method.__doc__
    return open_later
