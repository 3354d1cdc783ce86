"""APIClient: HTTP to the service. It prepares, sends, retries, and tells what came back.

It knows nothing of quotas: whoever calls it decides when.
"""

from __future__ import annotations

import importlib
import math
import sys
import threading
import weakref
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple, NoReturn, TypeVar

from . import _process
from ._clock import Clock
from ._faults import cut_off, error_from_response, invalid_answer
from ._http import (
    API_PREFIX,
    JSON,
    HTTPRequest,
    HTTPResponse,
    is_json,
    layered,
    merged,
    sent_headers,
)
from ._json import NOT_JSON, encode, parsed
from ._line import Line
from ._records import Attempt, Headers, RequestInfo, ResponseInfo, Undisclosed
from ._retry import RetryBudget, RetryPolicy, may_have_begun
from ._text import without_secret
from ._types import Timeout
from ._version import __version__
from ._watchdog import Watchdog
from .exceptions import (
    APIConnectionError,
    APIError,
    APIResponseValidationError,
    AuthenticationError,
    ClientClosedException,
)

if TYPE_CHECKING:
    from ._incoming import Incoming
    from ._transport import Wire

DEFAULT_BASE_URL = "https://api.groq.com"
DEFAULT_TIMEOUT: Timeout = (5.0, 60.0)

USER_AGENT = "CustomGroqChat/{} Python/{}.{}.{}".format(__version__, *sys.version_info)
DEFAULT_MAX_RESPONSE_BYTES = 64 * 1024 * 1024
_MOST_KINDS = 256
_ERROR_BYTES = 1024 * 1024  # of an error's text: no proxy has more to say


T = TypeVar("T")


class APIRequest(NamedTuple):
    """One request, ready to be sent any number of times.

    Attributes:
        method: ``"GET"``, ``"POST"``, ...
        path: Below the prefix: ``"/chat/completions"``.
        body: The body, encoded, or None.
        base_url: The host to send it to; None is the client's own.
        api_key: The key to send it with; None is the client's own.
        timeout: Seconds to connect and between two pieces of the answer; None is the client's.
        deadline_s: The instant, by the client's monotonic clock, at which it is given up,
            whatever it is doing; None is never.
        is_stream: Whether the answer is handed over while it is on its way.
        is_repeatable: Whether it may be sent again although the service may have got it.
        prefix: What stands before the path, behind the host.
        query: What stands behind the ``?``, encoded.
        headers: Headers of this request alone; they win, and :data:`omit` takes one away.
        content_type: Of the body.
        accept: The media type that is asked for. What is not JSON is not parsed.
        max_retries: How often it is sent again after a fault; None is the client's own.
        is_raw: Whether any body will do, whatever was asked for.
    """

    method: str
    path: str
    body: bytes | None = None
    base_url: str | None = None
    api_key: str | None = None
    timeout: Timeout = None
    deadline_s: float | None = None
    is_stream: bool = False
    is_repeatable: bool = True
    prefix: str = API_PREFIX
    query: str = ""
    headers: Mapping[str, object] | None = None
    content_type: str = JSON
    accept: str = JSON
    max_retries: int | None = None
    is_raw: bool = False

    def __repr__(self) -> str:
        return f"APIRequest({self.method!r}, {self.path!r})"  # neither the key nor the prompt

    def __reduce__(self) -> NoReturn:
        raise TypeError("an APIRequest cannot be pickled: it may hold an API key")


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
        max_response_bytes: The largest answer, decompressed, that is read.
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
        max_response_bytes: int = DEFAULT_MAX_RESPONSE_BYTES,
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
        self.max_response_bytes = max_response_bytes
        self._policy = retry_policy or RetryPolicy(max_retries)
        self._clock = clock or Clock()
        self._budget = RetryBudget()
        self._watchdog = Watchdog(self._clock)
        self._closed = False
        self._reset()
        _process.on_fork(self)
        _process.on_exit(self)

    def _reset(self) -> None:
        self._lock = threading.Lock()
        self._closing = threading.Condition(threading.Lock())
        self._wire: Wire | None = None
        self._headers: dict[tuple[str, ...], Undisclosed] = {}

    def __repr__(self) -> str:
        return f"APIClient(base_url={self._base_url!r})"

    # --- sending --------------------------------------------------------------------------

    def request(
        self,
        method: str,
        path: str,
        json: object = None,
        *,
        timeout: Timeout = None,
        deadline: float | None = None,
    ) -> HTTPResponse:
        """Send a JSON body and return the parsed answer; see :meth:`send`.

        Args:
            method: ``"GET"``, ``"POST"``, ...
            path: Below the API's prefix: ``"/models"``.
            json: What to send, or None.
            timeout: Seconds, for each attempt of this request.
            deadline: Seconds for all of it: attempts, the waits between them, slow answers.
        """
        body = None if json is None else encode(json)
        deadline_s = None if deadline is None else self._clock.monotonic() + deadline
        return self.send(APIRequest(method, path, body, timeout=timeout, deadline_s=deadline_s))

    def send(self, request: APIRequest) -> HTTPResponse:
        """Send a request, again if need be, and return the answer.

        Blocks for the time of all attempts and the waits between them; :meth:`close` ends it.

        Raises:
            APIStatusError: an error status, of which the subclass tells the kind.
            APIConnectionError: no answer; APITimeoutError if it was for lack of time.
            APIResponseValidationError: an answer that is not JSON.
            AuthenticationError: there is no API key; nothing was sent.
            ClientClosedException: the client is closed.
        """
        return self._persistently(request, self.attempt)[0]

    def send_open(self, request: APIRequest) -> tuple[Incoming, tuple[Attempt, ...]]:
        """Send a request, again if need be, and return its answer once the headers are in.

        Returns how each attempt went as well. Blocks and raises as :meth:`send` does. Who gets the
        answer reads it, and closes it whatever happens.
        """
        return self._persistently(request, self.open)

    def send_told(self, request: APIRequest) -> tuple[HTTPResponse, tuple[Attempt, ...]]:
        """Like :meth:`send`, but return how each attempt went as well, and what was sent."""
        response, history = self._persistently(request, self.attempt)
        return response._replace(request=self.described(request)), history

    def _persistently(
        self, request: APIRequest, act: Callable[[APIRequest, Line], T]
    ) -> tuple[T, tuple[Attempt, ...]]:
        line = Line(self._clock)
        history: list[Attempt] = []
        while True:
            line.start()
            try:
                found = act(request, line)
                return found, (*history, _report_of_success(line, found))
            except APIError as error:
                history.append(report_of(line, error))
                error.attempts, error.history = len(history), tuple(history)
                delay_s = self.retry_delay_s(
                    error,
                    len(history) - 1,
                    at_most_s=_left_s(request, self._clock.monotonic()),
                    is_repeatable=request.is_repeatable,
                    max_retries=request.max_retries,
                )
                if delay_s is None:
                    raise
                self._pause(delay_s)

    def attempt(self, request: APIRequest, line: Line | None = None) -> HTTPResponse:
        """Send a request once and return the answer, or raise what :meth:`send` raises.

        Args:
            request: What to send.
            line: Its line, for who wants to cut it; then it raises RequestCancelledException.
        """
        incoming = self.open(request, line)
        body = incoming.read(self.max_response_bytes)
        data = parsed(body) if request.accept == JSON or is_json(incoming.headers) else None
        if data is NOT_JSON and request.accept == JSON and not request.is_raw:
            error = self._not_json(request, incoming, body)
            del body  # which may have the key in it, and report tools send variables away
            raise error
        if line is not None:
            line.done()
        self._succeeded()
        return HTTPResponse(
            incoming.status,
            incoming.headers,
            None if data is NOT_JSON else data,
            body,
            elapsed_s=0.0 if line is None else line.took_s(),
        )

    def described(self, request: APIRequest) -> HTTPRequest:
        """Return what is sent for a request, without its body and without the key."""
        common = {**self._headers_for(request), "Authorization": "Bearer ***"}
        own = _own_headers(request)
        if request.body is not None and request.content_type == JSON:
            common["Content-Type"] = JSON
        headers = merged(common, own)
        told = sent_headers(headers, request.api_key or self._api_key)
        return HTTPRequest(request.method, self._url(request), told)

    def open(self, request: APIRequest, line: Line | None = None) -> Incoming:
        """Send a request once and return its answer as soon as the headers are in.

        Raises what :meth:`attempt` raises; error statuses as well, of which the body is read. Who
        gets the answer reads it, and closes it whatever happens.
        """
        _process.notice_fork()
        headers = self._headers_for(request)
        timeout = self._timeout if request.timeout is None else request.timeout
        wire = self._open_wire()
        line = line or Line(self._clock)
        if request.deadline_s is not None:
            timeout = _clipped(timeout, request.deadline_s - self._clock.monotonic())
            line.alarm = self._watchdog.at(request.deadline_s, _cutter(line))
        incoming = wire.open(
            request.method,
            self._url(request),
            headers,
            request.body,
            timeout if isinstance(timeout, tuple) else (timeout, timeout),
            line,
            own_headers=_own_headers(request),
            is_repeatable=request.is_repeatable,
        )
        if incoming.status >= 300:
            error = self._error_status(request, incoming)
            line.done()
            raise error
        if request.is_stream:
            self._succeeded()
        return incoming

    def retry_delay_s(
        self,
        error: APIError,
        retries: int,
        *,
        at_most_s: float = math.inf,
        is_repeatable: bool = True,
        max_retries: int | None = None,
    ) -> float | None:
        """Return the seconds until the request may be sent again, or None to give up.

        A number is a promise: it has been taken from the retry budget that all threads share.
        Nothing is taken for a delay above ``at_most_s``, which is None as well. ``max_retries``
        takes the place of the client's own.
        """
        if not is_repeatable and may_have_begun(error):
            return None
        policy = self._policy
        if max_retries is not None:
            policy = replace(policy, max_retries=max_retries)
        delay_s = policy.delay_s(error, retries, self._clock.random())
        if delay_s is None or delay_s > at_most_s:
            return None
        with self._lock:
            return delay_s if self._budget.spend() else None

    def load(self) -> None:
        """Load what sends requests, which takes a moment, now and not with the first of them.

        A process that is forked while one of its threads loads a module can never load it.
        """
        importlib.import_module("._transport", __package__)

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
        self._watchdog.close()

    def after_fork(self) -> None:
        """In a forked child: leave the parent's connections alone and open new ones."""
        self._reset()

    def at_exit(self) -> None:
        """At the interpreter's end: have no thread wait for an answer.

        Hooks that are called later may still send something.
        """
        was_closed = self._closed
        self.close()
        self._closed = was_closed

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

    def _succeeded(self) -> None:
        with self._lock:
            self._budget.refund()

    def _url(self, request: APIRequest) -> str:
        query = f"?{request.query}" if request.query else ""
        return f"{request.base_url or self._base_url}{request.prefix}{request.path}{query}"

    def _headers_for(self, request: APIRequest) -> Undisclosed:
        api_key = request.api_key or self._api_key
        if not api_key:
            raise missing_key()
        # What compresses a stream on its way holds back its events.
        kind = (api_key, request.accept, "identity" if request.is_stream else "gzip, deflate")
        headers = self._headers.get(kind)
        if headers is None:
            if not api_key.isascii() or not api_key.isprintable() or api_key.strip() != api_key:
                del api_key, kind  # reporters of errors send variables away
                raise AuthenticationError(
                    "The API key has characters that no key has.",
                    hint="Look for spaces, line ends and quotes around GROQ_API_KEY.",
                )
            if len(self._headers) >= _MOST_KINDS:  # where every user brings a key
                self._headers.clear()
            headers = self._headers[kind] = self._made_headers(*kind)
        return headers

    def _made_headers(self, api_key: str, accept: str, encoding: str) -> Undisclosed:
        common = {
            "Accept": accept,
            "Accept-Encoding": encoding,
            "User-Agent": USER_AGENT,
            "X-Stainless-Lang": "python",  # as the official SDK tells it
        }
        own = {"Authorization": f"Bearer {api_key}"}
        return Undisclosed(merged(common, self._default_headers, own))

    def _error_status(self, request: APIRequest, incoming: Incoming) -> APIError:
        """Return the error for an error status, whose body it reads."""
        try:
            body = incoming.read(_ERROR_BYTES)
        except (APIConnectionError, APIResponseValidationError):
            body = b""  # the status says enough
        info = RequestInfo(request.method, self._url(request))
        told, text = _told(incoming, body, request.api_key or self._api_key)
        return error_from_response(
            ResponseInfo(incoming.status, told, text), info, self._clock.wall()
        )

    def _not_json(self, request: APIRequest, incoming: Incoming, body: bytes) -> APIError:
        info = RequestInfo(request.method, self._url(request))
        if incoming.ends_with_connection and body.lstrip()[:1] in (b"{", b"["):
            # Where nothing tells the length, an answer that is cut off looks like a whole one.
            return cut_off("in its body", info)
        told, text = _told(incoming, body, request.api_key or self._api_key)
        what = f"the answer is not JSON: {text[:80]!r}"
        return invalid_answer(what, ResponseInfo(incoming.status, told, text), info)

    def _pause(self, delay_s: float) -> None:
        until_s = self._clock.monotonic() + delay_s
        with self._closing:
            while not self._closed and (left_s := until_s - self._clock.monotonic()) > 0.0:
                self._clock.wait(self._closing, left_s)


def report_of(line: Line, error: BaseException) -> Attempt:
    """Return the record of an attempt that has just ended with an error."""
    status_code = getattr(error, "status_code", None) or None
    return line.report(type(error).__name__, status_code, getattr(error, "request_id", None))


def _own_headers(request: APIRequest) -> Mapping[str, Any] | None:
    """Return the headers that no other request has, or None."""
    if request.body is None or request.content_type in ("", JSON):
        return request.headers
    return Undisclosed(layered(request.headers, {"Content-Type": request.content_type}))


def _report_of_success(line: Line, found: Any) -> Attempt:
    status = getattr(found, "status_code", None) or getattr(found, "status", None)
    return line.report("ok", status, found.headers.get("x-request-id"))


def _cutter(line: Line) -> Callable[[], object]:
    """Return what cuts a line, and does not keep it: an answer that nobody has is gone."""
    found = weakref.ref(line)

    def cut() -> None:
        line = found()
        if line is not None:
            line.cut("deadline")

    return cut


def _left_s(request: APIRequest, now: float) -> float:
    return math.inf if request.deadline_s is None else request.deadline_s - now


def _clipped(timeout: Timeout, left_s: float) -> Timeout:
    """Return a timeout none of which is longer than what is left."""
    parts = timeout if isinstance(timeout, tuple) else (timeout, timeout)
    left_s = max(left_s, 0.001)
    connect_s, read_s = (left_s if part is None else min(part, left_s) for part in parts)
    return connect_s, read_s


def _told(incoming: Incoming, body: bytes, api_key: str | None) -> tuple[Headers, str]:
    """Return headers and text without the key, which something that echoes may have in them."""
    text = without_secret(body.decode("utf-8", errors="replace"), api_key)
    return incoming.headers.without_secret(api_key), text


def missing_key() -> AuthenticationError:
    """Return the error for a request that nobody gave a key for."""
    return AuthenticationError(
        "There is no API key.",
        hint="Set GROQ_API_KEY, or pass api_key=; keys are made in the Groq console.",
    )
