"""The names of the official SDK that have no other place: its client, and what it is made with."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple, NoReturn, cast

from ._client_copies import check_http_client
from ._kinds_http import is_exposed
from ._types import NOT_GIVEN, NotGiven, given, is_given, omit
from .exceptions import ConfigLoaderException
from .groq_client import GroqClient

_log = logging.getLogger(__name__)

DEFAULT_MAX_RETRIES = 2
_HARMLESS = ("limits", "follow_redirects", "http1", "http2", "trust_env")


class Timeout:
    """Seconds that parts of a request may take, in the form of httpx; two of them are used.

    Args:
        timeout: All that is not given.
        connect: To connect.
        read: Between two arrivals of data.
        write: Taken as ``read``, which bounds silence in both directions.
        pool: Of no meaning here: requests wait in the queue, and not for a connection.
    """

    def __init__(
        self,
        timeout: float | NotGiven | None = NOT_GIVEN,
        *,
        connect: float | NotGiven | None = NOT_GIVEN,
        read: float | NotGiven | None = NOT_GIVEN,
        write: float | NotGiven | None = NOT_GIVEN,
        pool: float | NotGiven | None = NOT_GIVEN,
    ) -> None:
        rest = timeout if is_given(timeout) else None
        self.connect, self.read, self.write, self.pool = (
            part if is_given(part) else rest for part in (connect, read, write, pool)
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Timeout) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash(tuple(vars(self).values()))

    def __repr__(self) -> str:
        parts = ", ".join(f"{name}={value}" for name, value in vars(self).items())
        return f"Timeout({parts})"


DEFAULT_TIMEOUT = Timeout(60.0, connect=5.0)


class ConnectionLimits(NamedTuple):
    """How many connections a client has; here that follows from ``max_workers``."""

    max_connections: int = 100
    max_keepalive_connections: int = 20


DEFAULT_CONNECTION_LIMITS = ConnectionLimits()


class DefaultHttpxClient:
    """How connections are made, in the words of httpx; of them, these have a meaning here.

    Args:
        proxy: The URL of a proxy for all requests.
        verify: Whether to check certificates, or the path of a CA bundle.
        timeout: As for the client.
        headers: Headers of every request.
        **others: What has no meaning here: transports and hooks of httpx are not used, of which
            a warning tells.
    """

    def __init__(
        self,
        *,
        proxy: str | None = None,
        verify: bool | str | None = None,
        timeout: Any = NOT_GIVEN,
        headers: Mapping[str, str] | None = None,
        **others: Any,
    ) -> None:
        for name, value in others.items():
            if value is not None and name not in _HARMLESS:
                warnings.warn(
                    f"{name} is not used: requests are not sent by httpx here; "
                    "proxy, verify, timeout and headers can be had.",
                    stacklevel=2,
                )
        self.settings = {
            "proxies": None if proxy is None else {"all": str(proxy)},
            "verify": verify,
            "timeout": timeout,
            "default_headers": headers,
        }


class Groq(GroqClient):
    """:class:`GroqClient` under the official SDK's name, with its constructor.

    Everything else is the same: requests wait their turn, retries are paced, and all keywords of
    GroqClient may be given as well. Addresses without TLS are allowed, as there, with a warning in
    the log.

    Args:
        api_key: The key; ``GROQ_API_KEY`` by default, and one of the two there must be.
        base_url: The host, with or without ``/openai/v1``; ``GROQ_BASE_URL`` by default.
        timeout: Seconds, (connect, read), a :class:`Timeout` or httpx's, or None for none.
        max_retries: How often a request is sent again after a fault, 2 by default; with 0 the first
            refusal is raised as well.
        default_headers: Headers of every request; they win over ``GROQ_CUSTOM_HEADERS``, and
            ``omit`` takes one away.
        default_query: Fields of the query of every request.
        http_client: A :class:`DefaultHttpxClient`, or None.
        _strict_response_validation: Taken for the signature's sake. What is no answer of the API
            is always an error, and fields are never checked.
        **settings: Other keywords of :class:`GroqClient`.

    Raises:
        ConfigLoaderException: there is no key, or something is wrong; it is a GroqError.
        TypeError: ``max_retries`` is None.
    """

    def __init__(
        self,
        *,
        api_key: str | None = None,
        base_url: Any = None,
        timeout: Any = NOT_GIVEN,
        max_retries: int | NotGiven = NOT_GIVEN,
        default_headers: Mapping[str, Any] | None = None,
        default_query: Mapping[str, object] | None = None,
        http_client: Any = None,
        _strict_response_validation: bool = False,
        **settings: Any,
    ) -> None:
        if max_retries is None:
            raise TypeError(
                "max_retries cannot be None; give 0 for no retries, or leave it out for "
                f"{DEFAULT_MAX_RETRIES}"
            )
        check_http_client(http_client)
        found = dict(http_client.settings) if http_client is not None else {}
        if is_given(timeout):
            found["timeout"] = timeout
        headers = {**(found.pop("default_headers", None) or {}), **(default_headers or {})}
        wanted_timeout = found.pop("timeout", NOT_GIVEN)
        super().__init__(
            api_key=api_key,
            base_url=None if base_url is None else str(base_url),
            max_retries=cast(int, max_retries) if is_given(max_retries) else None,
            default_headers=given(headers) or None,
            default_query=default_query,
            **{"allow_http": True, **found, **settings},
        )
        if is_exposed(self.base_url):
            _log.warning("the key is sent unencrypted, for %s has no TLS", self.base_url)
        if self.api_key is None:
            raise ConfigLoaderException(
                "The api_key client option must be set either by passing api_key to the client or "
                "by setting the GROQ_API_KEY environment variable.",
                config_key="api_key",
                hint="Keys are made in the Groq console.",
            )
        if is_given(wanted_timeout):
            self._adopt(timeout=wanted_timeout)
        left_out = {name: omit for name, value in headers.items() if not is_given(value)}
        if left_out:
            self._adopt(default_headers=left_out)

    @property
    def timeout(self) -> Any:
        """Seconds that parts of an attempt may take, as it was told."""
        if is_given(self._told_timeout):
            return self._told_timeout
        connect, read = self._parts.config.timeout
        return Timeout(read, connect=connect)

    @timeout.setter
    def timeout(self, value: Any) -> None:
        self._adopt(timeout=value)


Client = Groq


class AsyncGroq:
    """There is none: CustomGroqChat is synchronous. Making one raises TypeError, and says so."""

    def __init__(self, *_: Any, **__: Any) -> None:
        _no_async()


class AsyncStream:
    """There is none: CustomGroqChat is synchronous."""

    def __init__(self, *_: Any, **__: Any) -> None:
        _no_async()


def _no_async() -> NoReturn:
    raise TypeError(
        "CustomGroqChat is synchronous and has no asynchronous client; call a Groq() client from "
        "threads: await asyncio.to_thread(client.chat.completions.create, ...)"
    )


def file_from_path(path: str | os.PathLike[str]) -> tuple[str, bytes]:
    """Return a file as (name, content). Blocks for reading it; raises OSError."""
    found = Path(path)
    return found.name, found.read_bytes()
