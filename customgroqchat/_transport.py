"""Everything that touches ``requests``: one session and one adapter, for all threads.

A plain ``Session.post`` spends half of its time on looking through the environment, on cookies,
and on preparing the same request again. Here the environment is read once, what requests have in
common is prepared once, and the pool of an address is looked up once. Mocks that replace
``HTTPAdapter.send``, such as the ``responses`` library, work all the same.

Loading ``requests`` takes longer than loading this package, so this module is imported by the
first request and not before.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

import requests
import urllib3.exceptions
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from ._records import RequestInfo
from .exceptions import APIConnectionError, APITimeoutError

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


class InFlight:
    """The connections that threads are waiting for, by the thread that waits.

    While a thread is blocked in a socket there is no response to close yet: the only way to wake
    it is to shut the socket down. All methods may be called from any thread.
    """

    def __init__(self) -> None:
        self._by_thread: dict[int, tuple[HTTPConnection, bool]] = {}
        self._lock = threading.Lock()
        self._aborted = False

    def enter(self, connection: HTTPConnection, connected: bool) -> None:
        """Note that the calling thread connects, or has connected and sends and waits.

        Raises:
            ConnectionAbortedError: everything was aborted.
        """
        with self._lock:
            if self._aborted:
                raise ConnectionAbortedError("the client was closed")
            self._by_thread[threading.get_ident()] = (connection, connected)

    def was_connected(self) -> bool:
        """Return whether the calling thread came as far as to send anything."""
        with self._lock:
            # Where nothing was noted, the connection is not one of ours but a mock's.
            return self._by_thread.get(threading.get_ident(), (None, True))[1]

    def leave(self) -> None:
        """Note that the calling thread waits no more."""
        with self._lock:
            self._by_thread.pop(threading.get_ident(), None)

    def abort(self) -> None:
        """Shut down all connections, now and from now on: who waits for one gets an error."""
        with self._lock:
            self._aborted = True
            connections = [connection for connection, _ in self._by_thread.values()]
        for connection in connections:
            sock = connection.sock
            if sock is not None:
                with contextlib.suppress(OSError):
                    sock.shutdown(socket.SHUT_RDWR)


class Transport(HTTPAdapter):
    """The adapter: pools of connections as large as asked for, to few addresses.

    Args:
        pool_size: How many connections to one address are kept; have one for each thread that
            sends at the same time.
    """

    def __init__(self, pool_size: int) -> None:
        self.in_flight = InFlight()
        self._pools: dict[tuple[Any, ...], Any] = {}
        self._targets: dict[tuple[Any, ...], str] = {}
        super().__init__(pool_connections=16, pool_maxsize=pool_size)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        """Make the pools, with connections that probe whether they are alive."""
        super().init_poolmanager(
            *args, socket_options=[*HTTPConnection.default_socket_options, *_KEEPALIVE], **kwargs
        )
        self.poolmanager.pool_classes_by_scheme = _tracked_pools(self.in_flight)

    def proxy_manager_for(self, proxy: Any, **proxy_kwargs: Any) -> Any:
        """Return the pools behind a proxy, tracked like the others."""
        manager = super().proxy_manager_for(proxy, **proxy_kwargs)
        if not proxy.lower().startswith("socks"):  # those have connections of their own kind
            manager.pool_classes_by_scheme = _tracked_pools(self.in_flight)
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


class _Tracked(HTTPConnection):
    """A connection that tells who waits for it."""

    in_flight: ClassVar[InFlight]

    def connect(self) -> None:
        self.in_flight.enter(self, connected=False)
        super().connect()
        self.in_flight.enter(self, connected=True)

    def request(self, *args: Any, **kwargs: Any) -> None:
        self.in_flight.enter(self, connected=True)
        super().request(*args, **kwargs)


class _TrackedTLS(_Tracked, HTTPSConnection):
    """The same, encrypted."""


def _tracked_pools(in_flight: InFlight) -> dict[str, type[HTTPConnectionPool]]:
    """Return kinds of pools whose connections tell ``in_flight`` who waits for them."""

    class Connection(_Tracked):
        pass

    class TLSConnection(_TrackedTLS):
        pass

    class Pool(HTTPConnectionPool):
        ConnectionCls = Connection

    class TLSPool(HTTPSConnectionPool):
        ConnectionCls = TLSConnection

    Connection.in_flight = TLSConnection.in_flight = in_flight
    return {"http": Pool, "https": TLSPool}


class Exchange(NamedTuple):
    """What came back: the status, the headers, and the whole body, decompressed."""

    status: int
    headers: Mapping[str, str]
    body: bytes


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
        self._session = requests.Session()
        self._session.trust_env = False  # a .netrc would replace the key
        self._session.mount("https://", self._transport)
        self._session.mount("http://", self._transport)
        self._templates: dict[tuple[str, str, str], requests.PreparedRequest] = {}
        self._routes: dict[str, tuple[bool | str, dict[str, str]]] = {}

    def exchange(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None, timeout: Any
    ) -> Exchange:
        """Send a request once and read the whole answer, whatever its status.

        Blocks the calling thread; :meth:`abort` ends it from another one.

        Args:
            method: ``"GET"``, ``"POST"``, ...
            url: The whole address.
            headers: All headers but those about the body, which is JSON.
            body: The body, or None.
            timeout: Seconds (connect, read).

        Raises:
            APIConnectionError: no answer; APITimeoutError if it was for lack of time.
        """
        info = RequestInfo(method, url)
        prepared = self._prepared(method, url, headers, body)
        verify, proxies = self._route(url)
        try:
            # Sent through the adapter: what Session.send adds (cookies, redirects, hooks) is
            # not wanted.
            response = self._transport.send(
                prepared, stream=True, timeout=timeout, verify=verify, proxies=proxies
            )
            content = response.raw.read(decode_content=True)
        except (requests.RequestException, urllib3.exceptions.HTTPError, OSError) as fault:
            was_connected = self._transport.in_flight.was_connected()
            raise _translated(fault, info, was_connected) from fault
        finally:
            self._transport.in_flight.leave()
        return Exchange(response.status_code, response.headers, content)

    def abort(self) -> None:
        """End all exchanges that are waiting, with an error."""
        self._transport.in_flight.abort()

    def close(self) -> None:
        """Close all connections that are not in use."""
        self._session.close()

    def _prepared(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes | None
    ) -> requests.PreparedRequest:
        key = (method, url, headers["Authorization"])
        template = self._templates.get(key)
        if template is None:
            request = requests.Request(method, url, headers=dict(headers))
            try:
                template = self._session.prepare_request(request)
            except requests.RequestException as fault:
                raise APIConnectionError(
                    f"The address cannot be used: {_reason(fault)}",
                    request=RequestInfo(method, url),
                    may_have_arrived=False,
                    hint="Check base_url; it looks like https://api.groq.com.",
                ) from fault
            _remember(self._templates, key, template)
        prepared = template.copy()
        if body is not None:
            prepared.body = body
            prepared.headers["Content-Length"] = str(len(body))
            prepared.headers["Content-Type"] = "application/json"
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


def _translated(fault: Exception, info: RequestInfo, was_connected: bool) -> APIConnectionError:
    if isinstance(fault, requests.ConnectTimeout):
        return APITimeoutError(
            "The service could not be reached in time.",
            request=info,
            may_have_arrived=False,
            hint="Check the network, or raise the connect timeout.",
        )
    if isinstance(fault, requests.Timeout | urllib3.exceptions.TimeoutError):
        return APITimeoutError(
            "The service did not answer in time.",
            request=info,
            may_have_arrived=was_connected,
            hint="Raise the read timeout, or ask for fewer tokens.",
        )
    return APIConnectionError(
        f"The connection failed: {_reason(fault)}",
        request=info,
        may_have_arrived=was_connected,
        hint="Check the network, base_url and proxy settings.",
    )


def _reason(fault: BaseException) -> str:
    """Return the innermost reason: the outer ones only repeat that there was one."""
    inner = getattr(fault, "reason", None) or next(
        (arg for arg in fault.args if isinstance(arg, BaseException)), None
    )
    return _reason(inner) if isinstance(inner, BaseException) else str(fault) or repr(fault)
