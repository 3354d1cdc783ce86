"""Copies of a client that share all its parts and have other defaults."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from ._asking import Call, Defaults, check_max_retries, headers_of, timeout_of
from ._fallbacks import chain_of
from ._http import layered, merged
from ._options import RequestOptions
from ._text import shown
from ._types import NOT_GIVEN, NotGiven, Timeout, is_given, omit
from .exceptions import ConfigLoaderException

if TYPE_CHECKING:
    from ._assembly import Parts
    from ._caller import Caller
    from ._client_resources import ClientResources
    from ._ordering import Priority

C = TypeVar("C", bound="ClientCopies")


class ClientCopies:
    """The part of :class:`GroqClient` that makes copies, and tells what holds for it."""

    _caller: Caller
    _parts: Parts
    _is_copy = False
    _told_timeout: Any = NOT_GIVEN  # in the form in which it was told

    def copy(
        self: C,
        *,
        api_key: str | None = None,
        base_url: str | None = None,
        timeout: Any = NOT_GIVEN,
        max_retries: int | NotGiven = NOT_GIVEN,
        http_client: Any = None,
        default_headers: Mapping[str, Any] | None = None,
        set_default_headers: Mapping[str, Any] | None = None,
        default_query: Mapping[str, object] | None = None,
        set_default_query: Mapping[str, object] | None = None,
        priority: Priority | NotGiven = NOT_GIVEN,
        max_wait: float | NotGiven | None = NOT_GIVEN,
        deadline: float | NotGiven | None = NOT_GIVEN,
        tag: str | NotGiven | None = NOT_GIVEN,
        fallbacks: Sequence[str] | NotGiven | None = NOT_GIVEN,
    ) -> C:
        """Return a client that shares everything with this one, but for what is given here.

        Queue, limits and connections are the same: its requests take their turn among all others.
        Does not block; from any thread. What a call says wins over what is said here.

        Args:
            api_key: Another key; its limits are another account's.
            base_url: Another host.
            timeout: Seconds, (connect, read), or None for none.
            max_retries: How often a request is sent again after a fault.
            http_client: None; connections are shared, so that nothing of it would be used.
            default_headers: Headers to send as well.
            set_default_headers: Headers to send in place of those of this client.
            default_query: Fields of the query to send as well.
            set_default_query: Fields of the query to send in place of those of this client.
            priority: Of requests that name none; and so on for the others.
            max_wait: Seconds that a request may wait before it is sent.
            deadline: Seconds in which a call shall have ended.
            tag: A name for its requests.
            fallbacks: Models to ask instead.

        Raises:
            InvalidRequestException: something of it is wrong.
            ValueError: headers, or the query, are both added to and replaced.
        """
        _not_both("headers", default_headers, set_default_headers)
        _not_both("query", default_query, set_default_query)
        check_http_client(http_client)
        old = self._caller.defaults
        wishes = {
            "api_key": NOT_GIVEN if api_key is None else api_key,
            "base_url": NOT_GIVEN if base_url is None else _address(base_url),
            "timeout": timeout_of(timeout) if is_given(timeout) else NOT_GIVEN,
            "max_retries": max_retries,
            "priority": priority,
            "max_wait": max_wait,
            "deadline": deadline,
            "tag": tag,
            "fallbacks": chain_of("", fallbacks)[1:] if is_given(fallbacks) else NOT_GIVEN,
        }
        if is_given(max_retries):
            check_max_retries(max_retries)
        options = {**old.options, **{key: wishes[key] for key in wishes if is_given(wishes[key])}}
        Call({}, RequestOptions(**options)).check()
        query = {**old.query, **(default_query or {})}
        defaults = Defaults(
            options,
            self._headers_with(default_headers, set_default_headers),
            query if set_default_query is None else set_default_query,
        )
        twin = self._twin(defaults)
        if is_given(timeout):
            twin._told_timeout = timeout
        return twin

    with_options = copy

    def _headers_with(
        self, added: Mapping[str, Any] | None, put: Mapping[str, Any] | None
    ) -> Mapping[str, Any]:
        """Return the default headers with others added, or with others in their place."""
        old = self._caller.defaults.headers
        if put is None:
            return layered(old, headers_of("default_headers", added))
        taken_away = dict.fromkeys(layered(self._parts.config.default_headers, old), omit)
        return layered(taken_away, headers_of("set_default_headers", put))

    def _adopt(self, **wishes: Any) -> None:
        """Have the defaults of a copy for oneself."""
        twin = self.copy(**wishes)
        # Whoever holds a resource of this client holds its caller.
        self._caller.defaults, self._told_timeout = twin._caller.defaults, twin._told_timeout

    def _twin(self: C, defaults: Any) -> C:
        twin = copy.copy(self)
        twin._caller = self._caller.with_defaults(defaults)
        twin._is_copy = True
        _forget_resources(twin)
        return twin

    # --- what holds for it ----------------------------------------------------------------

    @property
    def api_key(self) -> str | None:
        """The key that requests are sent with."""
        return self._caller.defaults.options.get("api_key") or self._parts.config.api_key

    @api_key.setter
    def api_key(self, value: str) -> None:
        if not isinstance(value, str) or not value:
            raise ValueError(f"api_key cannot be a {type(value).__name__} or empty; give a key")
        self._adopt(api_key=value)

    @property
    def base_url(self) -> str:
        """The host that requests are sent to."""
        return self._caller.base_url

    @base_url.setter
    def base_url(self, value: object) -> None:
        self._adopt(base_url=value)

    @property
    def timeout(self) -> Timeout:
        """Seconds (connect, read) that an attempt may be silent."""
        found: Timeout = self._caller.defaults.options.get("timeout", self._parts.config.timeout)
        return found

    @timeout.setter
    def timeout(self, value: Any) -> None:
        self._adopt(timeout=value)

    @property
    def max_retries(self) -> int:
        """How often a request is sent again after a fault."""
        own = self._caller.defaults.options.get("max_retries")
        return self._parts.config.max_retries if own is None else own

    @max_retries.setter
    def max_retries(self, value: int) -> None:
        self._adopt(max_retries=value)

    @property
    def default_headers(self) -> dict[str, str]:
        """The headers that are sent with every request, beside those that HTTP needs."""
        return merged(self._parts.config.default_headers, self._caller.defaults.headers)

    @property
    def default_query(self) -> dict[str, object]:
        """The fields of the query that are sent with every request."""
        return dict(self._caller.defaults.query)


def _forget_resources(client: Any) -> None:
    forget: ClientResources = client
    forget._forget_resources()


def _not_both(what: str, added: object, put: object) -> None:
    if added is not None and put is not None:
        raise ValueError(
            f"The `default_{what}` and `set_default_{what}` arguments are mutually exclusive"
        )


def check_http_client(value: object) -> None:
    """Refuse a client of httpx. Raises ConfigLoaderException, which is a GroqError."""
    if value is not None and not isinstance(getattr(value, "settings", None), dict):
        raise ConfigLoaderException(
            f"http_client cannot be {shown(value)}: requests are not sent by httpx here.",
            config_key="http_client",
            hint="Give DefaultHttpxClient(proxy=..., verify=...), or proxies= and verify=.",
        )


def _address(value: object) -> str:
    """Return a base_url as the configuration would have it. Raises ConfigLoaderException."""
    from .config_loader import ConfigLoader

    return ConfigLoader({}, environ={}).load(base_url=str(value)).base_url
