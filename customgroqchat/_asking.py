"""From the keywords of a call to what is asked of the service, and what of this client."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from ._fallbacks import chain_of
from ._futures import Callback
from ._http import layered, query_string
from ._options import RequestOptions
from ._ordering import priority_level
from ._records import Undisclosed
from ._types import Timeout, given, is_given
from ._validation import (
    chat_payload,
    check_callback,
    check_deadline,
    check_max_wait,
    check_tag,
    check_timeout,
    refuse,
)

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_HEADER_TEXT = re.compile(r"[\t\x20-\x7e\xa0-\xff]*")

#: Keywords that are meant for this client; the others are sent.
OPTIONS = (
    "priority",
    "max_wait",
    "deadline",
    "tag",
    "timeout",
    "callback",
    "fallbacks",
    "max_retries",
    "extra_headers",
    "extra_query",
    "extra_body",
)


class Call(NamedTuple):
    """What one call asks for: of the service, and of this client."""

    payload: dict[str, Any]
    options: RequestOptions
    callback: Callback | None = None

    def check(self) -> None:
        """Check what is never sent, as queueing does.

        Raises:
            InvalidRequestException: something of it is wrong.
        """
        check_callback(self.callback)
        priority_level(self.options.priority)
        check_max_wait(self.options.max_wait)
        check_deadline(self.options.deadline)
        check_tag(self.options.tag)


class Defaults(NamedTuple):
    """What holds for all calls of a client unless they say otherwise.

    Attributes:
        options: By name, those of :class:`RequestOptions` that have another default.
        headers: Headers of every request.
        query: Fields of every query.
    """

    options: Mapping[str, Any] = {}
    headers: Mapping[str, object] = {}
    query: Mapping[str, object] = {}

    def __repr__(self) -> str:
        return f"Defaults({sorted(self.options)})"  # there may be a key in it, or in headers


NO_DEFAULTS = Defaults()


def asked(
    parameters: Mapping[str, Any],
    defaults: Defaults = NO_DEFAULTS,
    longest_wait_s: float | None = None,
) -> Call:
    """Return the call that keywords ask for; those that are not given are left out.

    Args:
        parameters: Keywords of any kind.
        defaults: What holds unless they say otherwise.
        longest_wait_s: Seconds to wait at most, unless they or the defaults say otherwise.

    Raises:
        InvalidRequestException: one that is meant for this client is wrong.
    """
    payload = given(parameters)
    wishes = {name: payload.pop(name) for name in OPTIONS if name in payload}
    callback = wishes.pop("callback", None)
    check_callback(callback)
    for name in ("tools", "functions", "documents"):
        if name in payload:
            payload[name] = plain_items(payload[name])
    payload |= given(mapping("extra_body", wishes.pop("extra_body", None)))
    wishes = Undisclosed({"max_wait": longest_wait_s, **defaults.options, **wishes})
    return Call(payload, _options(wishes, defaults), callback)


def chat_call(
    model: Any,
    messages: Any,
    parameters: Mapping[str, Any],
    defaults: Defaults = NO_DEFAULTS,
    longest_wait_s: float | None = None,
) -> Call:
    """Return the call of a chat; unlike :func:`asked`, what is None counts as not given.

    Only of ``max_wait`` does None mean something: as long as it takes.

    Raises:
        InvalidRequestException: as :func:`asked`, and for what is given twice.
    """
    payload = chat_payload(model, plain_items(messages), parameters)
    given_ones = {
        name: value
        for name, value in payload.items()
        if value is not None or name in ("max_wait", "model", "messages")
    }
    return asked(given_ones, defaults, longest_wait_s)


def _options(wishes: dict[str, Any], defaults: Defaults) -> RequestOptions:
    extra = headers_of("extra_headers", wishes.pop("extra_headers", None))
    headers = Undisclosed(layered(defaults.headers, extra))
    query = {**defaults.query, **mapping("extra_query", wishes.pop("extra_query", None))}
    if "timeout" in wishes:
        wishes["timeout"] = timeout_of(wishes["timeout"])
    if wishes.get("max_retries") is not None:
        check_max_retries(wishes["max_retries"])
    if "fallbacks" in wishes:
        wishes["fallbacks"] = chain_of("", wishes["fallbacks"])[1:]
    return RequestOptions(**wishes, headers=headers or None, query=query_string(query))


def timeout_of(value: Any) -> Timeout:
    """Return a timeout in our form: seconds, or (connect, read); of httpx's form, those two.

    Raises:
        InvalidRequestException: it is none.
    """
    if hasattr(value, "connect") and hasattr(value, "read"):
        value = (value.connect, value.read)
    if value is None:
        return (None, None)  # who says so wants none
    check_timeout(value)
    checked: Timeout = value
    return checked


def check_max_retries(value: Any) -> None:
    """Check a number of retries. Raises InvalidRequestException."""
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= 100:
        refuse("max_retries", value, "give an integer from 0 to 100")


def plain_items(items: Any) -> Any:
    """Return messages, tools or the like as a list of mappings, if they are an iterable of such.

    Objects with a ``model_dump``, as answers of other libraries are, become mappings; and a
    message's ``content`` becomes a list if it is an iterable of another kind.
    """
    if isinstance(items, str | bytes | Mapping) or not isinstance(items, Iterable):
        return items
    if isinstance(items, list) and all(map(_is_plain, items)):
        return items
    return [_plain_item(item) for item in items]


def _is_plain(item: Any) -> bool:
    return isinstance(item, Mapping) and isinstance(item.get("content"), str | list | None)


def _plain_item(item: Any) -> Any:
    if not isinstance(item, Mapping):
        dump = getattr(item, "model_dump", None)
        return item if dump is None else dump(exclude_unset=True, mode="json")
    return item if _is_plain(item) else {**item, "content": plain_items(item["content"])}


def mapping(name: str, value: Any) -> Mapping[str, Any]:
    """Return what is to be added: a mapping, or nothing. Raises InvalidRequestException."""
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        refuse(name, value, "give a mapping")
    return value


def headers_of(field: str, value: Any) -> Mapping[str, Any]:
    """Return headers that HTTP can carry, or nothing. Raises InvalidRequestException for others."""
    for name, text in mapping(field, value).items():
        if not isinstance(name, str) or not _HEADER_NAME.fullmatch(name):
            refuse(field, name, "give names of headers: letters, digits and hyphens")
        if is_given(text) and not (isinstance(text, str) and _HEADER_TEXT.fullmatch(text)):
            # What it says may be a key.
            refuse(f"{field}.{name}", "...", "give a text in one line, of Latin-1, or omit")
    return value or {}
