"""Everything that touches ``requests``: one session and one adapter, for all threads.

A plain ``Session.post`` spends half of its time on looking through the environment, on cookies,
and on preparing the same request again. Here the environment is read once, what requests have in
common is prepared once, and the pool of an address is looked up once. Mocks that replace
``HTTPAdapter.send``, such as the ``responses`` library, work all the same.

Loading ``requests`` takes longer than loading this package, so this module is imported by the
first client and not before.
"""

from __future__ import annotations

import functools
import http.client
import queue
import socket
import sys
import threading
import weakref
from collections.abc import Mapping
from typing import Any, ClassVar, cast

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from . import _process
from ._connecting import connect
from ._incoming import FAULTS, Incoming, is_dead, reason_of, translated
from ._line import Line
from ._records import RequestInfo
from ._types import is_given
from .exceptions import APIConnectionError

# A NAT or firewall that forgets an idle connection makes the next request on it hang; these
# probes notice. Not every system has every name.
_KEEPALIVE = [
    (level, getattr(socket, name), value)
    for level, name, value in (
        (socket.SOL_SOCKET, "SO_KEEPALIVE", 1),
        (socket.IPPROTO_TCP, "TCP_KEEPIDLE", 60),
        (socket.IPPROTO_TCP, "TCP_KEEPINTVL", 15),
        (socket.IPPROTO_TCP, "TCP_KEEPCNT", 4),
    )
    if hasattr(socket, name)
]


_REMEMBERED = 256
_STALE_S = 0.5  # in which a connection that was closed long ago is found to be


class Transport(HTTPAdapter):
    """The adapter: pools of connections as large as asked for, to few addresses.

    Args:
        pool_size: How many connections to one address are kept; have one for each thread that
            sends at the same time.
    """

    def __init__(self, pool_size: int) -> None:
        self.lines = threading.local()  # ``line``: that of the request which a thread sends
        self._pools: dict[tuple[Any, ...], Any] = {}
        self._targets: dict[tuple[Any, ...], str] = {}
        super().__init__(pool_connections=16, pool_maxsize=pool_size)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools, with connections that probe whether they are alive."""
        super().init_poolmanager(
            *args, socket_options=[*HTTPConnection.default_socket_options, *_KEEPALIVE], **kwargs
        )
        self.poolmanager.pool_classes_by_scheme = _tracked_pools(self.lines)

    def proxy_manager_for(self, proxy: Any, **proxy_kwargs: Any) -> Any:
        """Return the pools behind a proxy, tracked like the others."""
        manager = super().proxy_manager_for(proxy, **proxy_kwargs)
        if not proxy.lower().startswith("socks"):  # those have connections of their own kind
            manager.pool_classes_by_scheme = _tracked_pools(self.lines)
        return manager

    def get_connection_with_tls_context(
        self, request: Any, verify: Any, proxies: Any = None, cert: Any = None
    ) -> Any:
        """Return the pool for a request; found once for each address and way of reaching it."""
        key = (request.url, verify, id(proxies))
        pool = self._pools.get(key)
        if pool is None or pool.pool is None:  # new, or closed to make room for other addresses
            pool = super().get_connection_with_tls_context(request, verify, proxies, cert)
            _remember(self._pools, key, pool)
        return pool

    def request_url(self, request: Any, proxies: Any) -> str:
        """Return what to ask the server for; found once for each address."""
        key = (request.url, id(proxies))
        target = self._targets.get(key)
        if target is None:
            target = super().request_url(request, proxies)
            _remember(self._targets, key, target)
        return target

    def close(self) -> None:
        """Close all connections that are not in use; the others, as soon as they are not."""
        # The manager would leave that to the garbage collector, who comes late where somebody
        # keeps an error, and with it the frames that it came through.
        for pool in list(self._pools.values()):
            pool.close()
        super().close()

    def build_response(self, req: Any, resp: Any) -> requests.Response:
        """Return the response without a jar of cookies, and with the headers as they are."""
        response = requests.Response()
        response.status_code = resp.status
        response.headers = resp.headers
        response.raw = resp
        response.reason = resp.reason
        response.url = req.url
        response.request = req
        return response


def _remember(known: dict[Any, Any], key: object, value: object) -> None:
    """Keep what was found out of an address, unless somebody uses very many of them."""
    if len(known) >= _REMEMBERED:
        known.clear()
    known[key] = value


class _Lines:
    """Reads lines of headers, and remembers whether there was a last one."""

    def __init__(self, file: Any) -> None:
        self._file = file
        self.were_whole = False

    def readline(self, limit: int = -1) -> bytes:
        line: bytes = self._file.readline(limit)
        self.were_whole = line in (b"\r\n", b"\n")
        return line

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)


class _WholeHeaders(http.client.HTTPResponse):
    """A response that is not taken for one with few headers when it was cut off inside them."""

    def begin(self) -> None:
        file: Any = self.fp
        self.fp = lines = _Lines(file)  # type: ignore[assignment]
        super().begin()
        if cast(object, self.fp) is lines:
            self.fp = file
        if not lines.were_whole:
            raise http.client.HTTPException("the answer was cut off in its headers")


class _Tracked(HTTPConnection):
    """A connection that tells the line of the request how far it is."""

    response_class = _WholeHeaders
    lines: ClassVar[threading.local]
    used_by: Line | None = None

    def _new_conn(self) -> socket.socket:
        return connect(self, self._dns_host, self._line())

    def connect(self) -> None:
        line = self._line()
        line.enter("connecting")
        super().connect()
        self._allow(line)
        line.enter("sending", self.sock)

    def request(self, *args: Any, **kwargs: Any) -> None:
        line = self._line()
        line.is_reused = self.sock is not None and line.phase == "starting"
        self.used_by = line
        if self.sock is not None:
            self._allow(line)
        line.enter("sending", self.sock)
        super().request(*args, **kwargs)
        line.enter("waiting")

    def _allow(self, line: Line) -> None:
        """Let sending take as long as reading may: the connect timeout is over."""
        self.timeout = line.read_timeout_s
        self.sock.settimeout(self.timeout)

    def _line(self) -> Line:
        line: Line = self.lines.line
        return line


class _TrackedTLS(_Tracked, HTTPSConnection):
    """The same, encrypted."""


class _QuietPool(HTTPConnectionPool):
    """A pool that closes what it has no room for, without a warning.

    There is room for as many as there are workers; beside them, any number of streams may be open.
    """

    def _get_conn(self, timeout: float | None = None) -> Any:
        connection = super()._get_conn(timeout)
        line = getattr(getattr(connection, "lines", None), "line", None)
        if line is not None and line.wants_new:
            connection.close()  # connects anew, and through its proxy, by itself
        return connection

    def _put_conn(self, conn: Any) -> None:
        line = getattr(conn, "used_by", None)
        if line is not None:  # whoever cuts it from now on must not hit the next one
            conn.used_by = None
            line.let_go()
        pool = self.pool
        try:
            # When the interpreter ends, nobody will be there to close it later.
            if pool is not None and not _process.is_ending():
                pool.put(conn, block=False)
                if self.pool is not None:  # or the pool was closed meanwhile
                    return
        except queue.Full:
            pass
        if conn:
            conn.close()


def _tracked_pools(lines: threading.local) -> dict[str, type[HTTPConnectionPool]]:
    """Return kinds of pools whose connections tell the lines of their requests."""

    class Connection(_Tracked):
        pass

    class TLSConnection(_TrackedTLS):
        pass

    class Pool(_QuietPool):
        ConnectionCls = Connection

    class TLSPool(_QuietPool, HTTPSConnectionPool):
        ConnectionCls = TLSConnection

    Connection.lines = TLSConnection.lines = lines
    return {"http": Pool, "https": TLSPool}


class Wire:
    """A session that nothing changes after it was made, as threads may share only such a one.

    Args:
        pool_size: How many connections to one address are kept.
        verify: Whether to check certificates, or a CA bundle; None leaves it to the environment.
        proxies: Proxy by scheme; None leaves it to the environment.
    """

    def __init__(
        self, pool_size: int, verify: bool | str | None, proxies: Mapping[str, str] | None
    ) -> None:
        self._verify = verify
        self._proxies = proxies
        self._transport = Transport(pool_size)
        self._lock = threading.Lock()  # guards the two below
        self._lines: weakref.WeakSet[Line] = weakref.WeakSet()
        self._aborted = False
        self._session = requests.Session()
        self._session.trust_env = False  # a .netrc would replace the key
        self._session.mount("https://", self._transport)
        self._session.mount("http://", self._transport)
        self._templates: dict[tuple[str, str, int], tuple[Any, requests.PreparedRequest]] = {}
        self._routes: dict[str, tuple[bool | str, dict[str, str]]] = {}

    def open(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        timeout: Any,
        line: Line,
        *,
        own_headers: Mapping[str, Any] | None = None,
        is_repeatable: bool = True,
    ) -> Incoming:
        """Send a request and return the answer, whatever its status, once its headers are in.

        Blocks the calling thread; cutting the line ends it from another one. A connection that
        turns out to be dead, because the service closed it after the last request, is replaced
        once: the request never got anywhere.

        Args:
            method: ``"GET"``, ``"POST"``, ...
            url: The whole address.
            headers: What it has in common with others: the same object for all of them.
            body: The body, or None.
            timeout: Seconds (connect, read).
            line: The request's.
            own_headers: Those of this request alone; they win. What they do not say of the body is
                that it is JSON.
            is_repeatable: Whether it may be sent twice; if not, it gets a new connection, which
                cannot be a dead one.

        Raises:
            APIConnectionError: no answer; APITimeoutError if it was for lack of time.
            RequestCancelledException, ClientClosedException: the line was cut for that.
        """
        info = RequestInfo(method, url)
        with self._lock:
            self._lines.add(line)
            if self._aborted:
                line.cut("closed")
        handled = sys.exc_info()[1]
        try:
            prepared = self._prepared(method, url, headers, body, own_headers or {})
            response = self._sent(prepared, timeout, line, is_repeatable=is_repeatable)
        except FAULTS as fault:
            line.leave()
            raise translated(fault, handled, info, line) from fault
        except BaseException:
            line.leave()
            raise
        return Incoming(response, line, info)

    def _sent(
        self,
        prepared: requests.PreparedRequest,
        timeout: Any,
        line: Line,
        *,
        is_repeatable: bool,
    ) -> Any:
        verify, proxies = self._route(str(prepared.url))
        self._transport.lines.line = line
        line.read_timeout_s = timeout[1]
        try:
            line.look_for_connection(wants_new=not is_repeatable)
            # Sent through the adapter: what Session.send adds (cookies, redirects, hooks) is
            # not wanted.
            send = functools.partial(
                self._transport.send, stream=True, timeout=timeout, verify=verify, proxies=proxies
            )
            try:
                return send(prepared).raw
            except FAULTS as fault:
                # What was waited on for long had a service at its other end.
                was_stale = line.is_reused and is_dead(fault) and line.took_s() < _STALE_S
                if line.cut_by is not None or not was_stale:
                    raise
            line.look_for_connection(wants_new=True)
            return send(prepared).raw
        finally:
            self._transport.lines.line = None

    def abort(self) -> None:
        """End everything that is on its way, now and from now on, with an error."""
        with self._lock:
            self._aborted = True
            lines = list(self._lines)
        for line in lines:
            line.cut("closed")

    def close(self) -> None:
        """Close all connections that are not in use."""
        self._session.close()

    def _prepared(
        self,
        method: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes | None,
        own_headers: Mapping[str, Any],
    ) -> requests.PreparedRequest:
        # Not by what is in them: the key shall be in no variable that an error report may show.
        key = (method, url, id(headers))
        _, template = self._templates.get(key, (None, None))
        if template is None:
            request = requests.Request(method, url, headers=headers)
            try:
                template = self._session.prepare_request(request)
            except requests.RequestException as fault:
                raise APIConnectionError(
                    f"The address cannot be used: {reason_of(fault)}",
                    request=RequestInfo(method, url),
                    may_have_arrived=False,
                    hint="Check base_url; it looks like https://api.groq.com.",
                ) from fault
            _remember(self._templates, key, (headers, template))
        prepared = template.copy()
        for name, value in own_headers.items():
            prepared.headers.pop(name, None)
            if is_given(value):
                prepared.headers[name] = value
        if body is not None:
            prepared.body = body
            prepared.headers["Content-Length"] = str(len(body))
            prepared.headers.setdefault("Content-Type", "application/json")
        return prepared

    def _route(self, url: str) -> tuple[bool | str, dict[str, str]]:
        """Return how to verify certificates and which proxies to use; found out once for a URL.

        What was given wins; the rest is as ``requests`` reads it from the environment
        (``REQUESTS_CA_BUNDLE``, ``HTTPS_PROXY``, ``NO_PROXY``, ...).
        """
        route = self._routes.get(url)
        if route is None:
            with requests.Session() as session:
                found = session.merge_environment_settings(url, {}, False, None, None)
            verify = found["verify"] if self._verify is None else self._verify
            proxies = found["proxies"] if self._proxies is None else self._proxies
            route = (True if verify is None else verify, dict(proxies))
            _remember(self._routes, url, route)
        return route
