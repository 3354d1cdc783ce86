"""Opening a connection so that it takes no longer than it may, and can be given up at any moment.

The system's resolver knows no timeout and cannot be interrupted; so it is asked on a thread of its
own, and left behind if it does not answer.
"""

from __future__ import annotations

import ipaddress
import socket
import threading
from typing import Any

from urllib3.connection import HTTPConnection
from urllib3.exceptions import ConnectTimeoutError, NameResolutionError, NewConnectionError

from ._line import Line

Address = tuple[Any, ...]  # what getaddrinfo returns


def connect(connection: HTTPConnection, host: str, line: Line) -> socket.socket:
    """Return a socket that is connected to the host of a connection. Blocks.

    The connect timeout holds for finding the addresses, and for each of them.

    Raises:
        NewConnectionError, ConnectTimeoutError: as urllib3's own way of connecting.
        LineCut: the line was cut meanwhile.
    """
    fault: OSError = OSError("the name has no addresses")
    for address in _addresses(connection, host.strip("[]"), line):
        try:
            return _connected(connection, address, line)
        except OSError as error:
            fault = error
    if isinstance(fault, TimeoutError):
        raise ConnectTimeoutError(connection, f"{host} did not answer in time") from fault
    raise NewConnectionError(connection, str(fault)) from fault


def _connected(connection: HTTPConnection, address: Address, line: Line) -> socket.socket:
    family, kind, protocol, _, target = address
    sock = socket.socket(family, kind, protocol)
    try:
        for option in connection.socket_options or ():
            sock.setsockopt(*option)
        sock.settimeout(_timeout_s(connection))
        if connection.source_address:
            sock.bind(connection.source_address)
        line.enter("connecting", sock)
        sock.connect(target)
        line.check()
    except BaseException:
        sock.close()
        raise
    return sock


def _addresses(connection: HTTPConnection, host: str, line: Line) -> list[Address]:
    port = connection.port
    if _is_number(host):
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    found: list[list[Address]] = []
    failed: list[Exception] = []

    def ask() -> None:
        try:
            found.append(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except Exception as fault:
            failed.append(fault)
        line.nudge()

    _on_its_own_thread(ask)
    if not line.wait_for(lambda: bool(found or failed), _timeout_s(connection)):
        raise ConnectTimeoutError(connection, f"the name {host} was not resolved in time (DNS)")
    if failed:
        fault = failed[0]
        raise NameResolutionError(host, connection, socket.gaierror(str(fault))) from fault
    return found[0]


def _on_its_own_thread(function: Any) -> None:
    try:
        threading.Thread(target=function, name="customgroqchat-resolver", daemon=True).start()
    except RuntimeError:  # no more threads, or the interpreter is ending
        function()


def _timeout_s(connection: HTTPConnection) -> float | None:
    timeout_s = connection.timeout
    return float(timeout_s) if isinstance(timeout_s, int | float) else None


def _is_number(host: str) -> bool:
    try:
        ipaddress.ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return True
