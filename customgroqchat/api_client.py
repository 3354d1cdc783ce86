"""APIClient: HTTP to the service. It prepares, sends, retries, and tells what came back.

It knows nothing of quotas: whoever calls it decides when.
"""

from __future__ import annotations

import functools
import json
import math
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn

from . import _process
from ._clock import Clock
from ._faults import error_from_response
from ._records import Headers, RequestInfo, ResponseInfo
from ._retry import RetryBudget, RetryPolicy
from ._text import without_secret
from ._types import Timeout
from ._version import __version__
from .exceptions import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    AuthenticationError,
    ClientClosedException,
)

if TYPE_CHECKING:
    from ._transport import Exchange, Wire

DEFAULT_BASE_URL = "https://api.groq.com"
DEFAULT_TIMEOUT: Timeout = (5.0, 60.0)
API_PREFIX = "/openai/v1"

USER_AGENT = "CustomGroqChat/{} Python/{}.{}.{}".format(__version__, *sys.version_info)
_KEPT_TEXT = 2000
_NOT_JSON = object()


class APIRequest(NamedTuple):
    """One request, ready to be sent any number of times.

    Attributes:
        method: ``"GET"``, ``"POST"``, ...
        path: Below the API's prefix: ``"/chat/completions"``.
        body: JSON, encoded, or None.
        base_url: The host to send it to; None is the client's own.
        api_key: The key to send it with; None is the client's own.
        timeout: Seconds to connect and between two pieces of the answer; None is the client's.
    """

    method: str
    path: str
    body: bytes | None = None
    base_url: str | None = None
    api_key: str | None = None
    timeout: Timeout = None

    def __repr__(self) -> str:
        return f"APIRequest({self.method!r}, {self.path!r})"  # neither the key nor the prompt

    def __reduce__(self) -> NoReturn:
        raise TypeError("an APIRequest cannot be pickled: it may hold an API key")


class APIResponse(NamedTuple):
    """What came back.

    Attributes:
        status_code: The HTTP status, below 300.
        headers: The headers; their names' case does not matter.
        data: The parsed JSON body.
    """

    status_code: int
    headers: Mapping[str, str]
    data: Any

    @property
    def request_id(self) -> str | None:
        """The service's name for the request."""
        return self.headers.get("x-request-id")


class APIClient:
    """A pool of connections to the service, for any number of threads.

    Nothing is opened, and the environment not looked at, before the first request.

    Args:
        api_key: The key. None is allowed as long as each request brings its own.
        base_url: The host, such as ``https://api.groq.com``.
        timeout: Seconds, one number or (connect, read). The read timeout is the longest silence,
            not the whole duration.
        max_retries: How often a request is sent again after a fault.
        pool_size: How many connections are kept; one for each thread that sends at a time.
        verify: Whether to check certificates, or the path of a CA bundle; None leaves it to the
            environment (``REQUESTS_CA_BUNDLE``), else True.
        proxies: Proxy by scheme; None leaves it to the environment (``HTTPS_PROXY``), {} is none.
        default_headers: Headers to send with every request.
        retry_policy: When and how often to try again, in place of ``max_retries``.
        clock: Where the time comes from.
    """

    def __init__(
        self,
        *,
        api_key: str | None = None,
        base_url: str = DEFAULT_BASE_URL,
        timeout: Timeout = DEFAULT_TIMEOUT,
        max_retries: int = 2,
        pool_size: int = 16,
        verify: bool | str | None = None,
        proxies: Mapping[str, str] | None = None,
        default_headers: Mapping[str, str] | None = None,
        retry_policy: RetryPolicy | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._api_key = api_key
        self._base_url = base_url.rstrip("/").removesuffix(API_PREFIX)
        self._timeout = timeout
        self._pool_size = pool_size
        self._verify = verify
        self._proxies = proxies
        self._default_headers = dict(default_headers or {})
        self._policy = retry_policy or RetryPolicy(max_retries)
        self._clock = clock or Clock()
        self._budget = RetryBudget()
        self._closed = False
        self._reset()
        _process.on_fork(self)
        _process.on_exit(self)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._closing = threading.Condition(threading.Lock())
        self._wire: Wire | None = None
        self._headers: dict[str, dict[str, str]] = {}

    def __repr__(self) -> str:
        return f"APIClient(base_url={self._base_url!r})"

    # --- sending --------------------------------------------------------------------------

    def request(
        self, method: str, path: str, json: object = None, *, timeout: Timeout = None
    ) -> APIResponse:
        """Send a JSON body and return the parsed answer; see :meth:`send`.

        Args:
            method: ``"GET"``, ``"POST"``, ...
            path: Below the API's prefix: ``"/models"``.
            json: What to send, or None.
            timeout: Seconds, for this request alone.
        """
        body = None if json is None else encode(json)
        return self.send(APIRequest(method, path, body, timeout=timeout))

    def send(self, request: APIRequest) -> APIResponse:
        """Send a request, again if need be, and return the answer.

        Blocks for the time of all attempts and the waits between them; :meth:`close` ends it.

        Raises:
            APIStatusError: an error status, of which the subclass tells the kind.
            APIConnectionError: no answer; APITimeoutError if it was for lack of time.
            APIResponseValidationError: an answer that is not JSON.
            AuthenticationError: there is no API key; nothing was sent.
            ClientClosedException: the client is closed.
        """
        retries = 0
        while True:
            try:
                response = self.attempt(request)
            except APIError as error:
                error.attempts = retries + 1
                delay_s = self.retry_delay_s(error, retries)
                if delay_s is None:
                    raise
                self._pause(delay_s)
                retries += 1
            else:
                return response

    def attempt(self, request: APIRequest) -> APIResponse:
        """Send a request once and return the answer, or raise what :meth:`send` raises."""
        api_key = request.api_key or self._api_key
        if not api_key:
            raise missing_key()
        url = f"{request.base_url or self._base_url}{API_PREFIX}{request.path}"
        timeout = self._timeout if request.timeout is None else request.timeout
        pair = timeout if isinstance(timeout, tuple) else (timeout, timeout)
        wire = self._open_wire()
        try:
            exchange = wire.exchange(
                request.method, url, self._headers_with(api_key), request.body, pair
            )
            return self._understood(exchange, RequestInfo(request.method, url), api_key)
        except (APIConnectionError, APIResponseValidationError) as fault:
            if self._closed:
                raise ClientClosedException(
                    "The client was closed while the request was on its way."
                ) from fault
            raise

    def retry_delay_s(
        self, error: APIError, retries: int, *, at_most_s: float = math.inf
    ) -> float | None:
        """Return the seconds until the request may be sent again, or None to give up.

        A number is a promise: it has been taken from the retry budget that all threads share.
        Nothing is taken for a delay above ``at_most_s``, which is None as well.
        """
        delay_s = self._policy.delay_s(error, retries, self._clock.random())
        if delay_s is None or delay_s > at_most_s:
            return None
        with self._lock:
            return delay_s if self._budget.spend() else None

    # --- life -----------------------------------------------------------------------------

    def close(self) -> None:
        """Shut down what is being sent, close all connections. May be called again."""
        with self._closing:
            self._closed = True
            self._closing.notify_all()
        with self._lock:
            wire, self._wire = self._wire, None
        if wire is not None:
            wire.abort()
            wire.close()

    def after_fork(self) -> None:
        """In a forked child: leave the parent's connections alone and open new ones."""
        self._reset()

    def at_exit(self) -> None:
        """At the interpreter's end: have no thread wait for an answer."""
        self.close()

    # --- inside ---------------------------------------------------------------------------

    def _open_wire(self) -> Wire:
        wire = self._wire
        if wire is None:
            from ._transport import Wire  # loads requests

            with self._lock:
                if self._closed:
                    raise ClientClosedException("The client is closed.", hint="Make a new client.")
                if self._wire is None:
                    self._wire = Wire(self._pool_size, self._verify, self._proxies)
                wire = self._wire
        return wire

    def _headers_with(self, api_key: str) -> dict[str, str]:
        headers = self._headers.get(api_key)
        if headers is None:
            if not api_key.isascii() or not api_key.isprintable() or " " in api_key:
                raise AuthenticationError(
                    "The API key has characters that no key has.",
                    hint="Look for spaces, line ends and quotes around GROQ_API_KEY.",
                )
            headers = self._headers[api_key] = {
                "Accept": "application/json",
                "Accept-Encoding": "gzip, deflate",
                "User-Agent": USER_AGENT,
                **self._default_headers,
                "Authorization": f"Bearer {api_key}",
            }
        return headers

    def _understood(self, exchange: Exchange, info: RequestInfo, api_key: str) -> APIResponse:
        status, headers, body = exchange
        if status < 300:
            data = _parsed(body)
            if data is not _NOT_JSON:
                with self._lock:
                    self._budget.refund()
                return APIResponse(status, headers, data)
        # Something that echoes what it was sent must not leak the key into errors.
        text = without_secret(body.decode("utf-8", errors="replace"), api_key)
        told = Headers({name: without_secret(headers[name], api_key) for name in headers})
        if status >= 300:
            raise error_from_response(ResponseInfo(status, told, text), info, self._clock.wall())
        raise APIResponseValidationError(
            f"HTTP {status}, but the answer is not JSON: {text[:80]!r}",
            status_code=status,
            response=ResponseInfo(status, told, text[:_KEPT_TEXT]),
            request=info,
            request_id=told.get("x-request-id"),
            hint="Something between here and the service answers in its place; check base_url.",
        )

    def _pause(self, delay_s: float) -> None:
        until_s = self._clock.monotonic() + delay_s
        with self._closing:
            while not self._closed and (left_s := until_s - self._clock.monotonic()) > 0.0:
                self._clock.wait(self._closing, left_s)


def _parsed(body: bytes) -> Any:
    # The fault is not passed on, for it holds the whole text.
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return _NOT_JSON


def missing_key() -> AuthenticationError:
    """Return the error for a request that nobody gave a key for."""
    return AuthenticationError(
        "There is no API key.",
        hint="Set GROQ_API_KEY, or pass api_key=; keys are made in the Groq console.",
    )


def encode(payload: object) -> bytes:
    """Return a payload as compact JSON in UTF-8.

    Mappings and sequences of any kind become objects and lists. Lone surrogates, which UTF-8
    cannot carry, are escaped.

    Raises:
        TypeError: something in it is not JSON.
        ValueError: NaN, an infinity, or something that contains itself.
        RecursionError: it is nested too deeply.
    """
    dumps = functools.partial(
        json.dumps, payload, separators=(",", ":"), allow_nan=False, default=_plain
    )
    try:
        return dumps(ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return dumps().encode()


def _plain(value: object) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Sequence) and not isinstance(value, bytes | bytearray):
        return list(value)
    raise TypeError(f"a {type(value).__name__} is not JSON")
