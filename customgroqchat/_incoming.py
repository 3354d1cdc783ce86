"""An answer on its way in, and what can go wrong with it."""

from __future__ import annotations

import ssl
import sys
from typing import Any

import requests
import urllib3.exceptions

from ._faults import cut_off, invalid_answer
from ._line import Line, LineCut
from ._records import Headers, RequestInfo, ResponseInfo
from .exceptions import (
    APIConnectionError,
    APIResponseValidationError,
    APITimeoutError,
    ClientClosedException,
    GroqError,
    RequestCancelledException,
)

_PIECE = 65_536  # bytes to read at a time
_END_S = 0.1  # for the end of a stream to arrive, after its last event

#: What the libraries below raise, and a line that was cut.
FAULTS = (
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    OSError,
    UnicodeError,  # of an address, or a header, that cannot be sent
    LineCut,
)


class Incoming:
    """An answer of which the headers are in. It belongs to one thread.

    Attributes:
        status: The HTTP status.
        headers: The headers; their names' case does not matter.
        info: Where the request went.
    """

    def __init__(self, response: Any, line: Line, info: RequestInfo) -> None:
        self.status: int = response.status
        self.headers = Headers(dict(response.headers.items()))
        self._raw = response
        self._line = line
        self.info = info

    def read(self, at_most: int) -> bytes:
        """Read the whole body, decompressed, and give the connection back. Blocks.

        Args:
            at_most: Bytes, after decompression.

        Raises:
            APIConnectionError: it was cut off; APITimeoutError if for lack of time.
            APIResponseValidationError: it is larger.
            RequestCancelledException, ClientClosedException: the line was cut for that.
        """
        handled = sys.exc_info()[1]
        try:
            self._line.enter("reading")
            body = self._read_all(at_most)
            self._line.check()
        except FAULTS as fault:
            raise translated(fault, handled, self.info, self._line) from fault
        finally:
            self.close()
        if not body and self.ends_with_connection and self.status == 200:
            raise cut_off("before its body", self.info)
        return body

    def read1(self) -> bytes:
        """Return what has arrived, decompressed; waits until there is something. b"" is the end.

        Raises what :meth:`read` raises.
        """
        handled = sys.exc_info()[1]
        try:
            self._line.enter("reading")
            piece: bytes = self._raw.read1(_PIECE, decode_content=True) or b""
            if not piece:
                self._line.check()  # where nothing tells the length, a cut looks like the end
            self._line.pause()
            return piece
        except FAULTS as fault:
            raise translated(fault, handled, self.info, self._line) from fault

    def cut(self) -> None:
        """Have the thread that reads it fail soon. From any thread; does not block."""
        self._line.cut("cancelled")

    def finish(self) -> None:
        """Give the connection back, if nothing comes any more but the end that is due."""
        try:
            if not self._raw.closed:
                self._line.hurry(_END_S)
                self._raw.read1(_PIECE, decode_content=True)
        except FAULTS:
            pass  # everything that matters has arrived
        self.close()

    def close(self) -> None:
        """Let go of the connection; closes it, unless everything was read. May be called again."""
        self._line.leave()
        if not self._raw.closed:
            self._raw.close()
        self._raw.release_conn()

    @property
    def ends_with_connection(self) -> bool:
        """Whether only the end of the connection tells the end of the body."""
        return not ("content-length" in self.headers or "transfer-encoding" in self.headers)

    def _read_all(self, at_most: int) -> bytes:
        raw = self._raw
        length = self.headers.get("content-length", "")
        coding = self.headers.get("content-encoding", "")
        if "," in coding:  # nobody asked for that, and it multiplies what a few bytes can become
            raise self._invalid(f"it is packed in a way that nobody asked for: {coding[:80]}")
        if _is_short(length, at_most) and not coding:
            whole: bytes = raw.read(decode_content=True)
            return whole
        pieces, size = [], 0
        while piece := raw.read(_PIECE, decode_content=True):
            pieces.append(piece)
            size += len(piece)
            if size > at_most:
                raise self._invalid(
                    f"the answer is larger than {at_most} bytes.",
                    "Raise max_response_bytes if that is to be expected.",
                )
        return b"".join(pieces)

    def _invalid(self, what: str, hint: str | None = None) -> APIResponseValidationError:
        # Without the headers: they may echo the key, which is not known here.
        return invalid_answer(what, ResponseInfo(self.status), self.info, hint)


# --- faults ----------------------------------------------------------------------------------


def translated(
    fault: Exception, handled: BaseException | None, info: RequestInfo, line: Line
) -> GroqError:
    """Return the error for a fault of the wire, or for what the line was cut for.

    The fault is left without its frames: their variables hold the key, and the prompt.

    Args:
        fault: What the libraries below raised, or the line.
        handled: What the caller was handling before, whose frames are its own.
        info: Where the request went.
        line: Its line.
    """
    _forget_frames(fault, handled)
    if line.cut_by is not None:
        return _error_of_cut(line.cut_by, info, line)
    is_late = isinstance(fault, requests.Timeout | urllib3.exceptions.TimeoutError)
    if isinstance(fault, requests.ConnectTimeout) or (is_late and line.phase == "connecting"):
        return APITimeoutError(
            f"The service could not be reached in time: {reason_of(fault)}.",
            request=info,
            may_have_arrived=False,
            hint="Check the network, or raise the connect timeout.",
        )
    if is_late or _is_slow(fault):
        return APITimeoutError(
            "The service did not answer in time.",
            request=info,
            may_have_arrived=line.may_have_arrived,
            hint="Raise the read timeout, or ask for fewer tokens.",
        )
    return APIConnectionError(
        f"The connection failed: {reason_of(fault)}",
        request=info,
        may_have_arrived=line.may_have_arrived,
        hint="Check the network, base_url and proxy settings.",
    )


def _forget_frames(fault: BaseException, handled: BaseException | None) -> None:
    found: list[BaseException | None] = [fault]
    seen = {id(None), id(handled)}
    while found:
        one = found.pop()
        if one is not None and id(one) not in seen:
            seen.add(id(one))
            one.__traceback__ = None
            found += [one.__cause__, one.__context__]


def _error_of_cut(why: str, info: RequestInfo, line: Line) -> GroqError:
    if why == "deadline":
        return APITimeoutError(
            "The deadline came before the whole answer.",
            request=info,
            may_have_arrived=line.may_have_arrived,
            hint="Allow a longer deadline.",
        )
    if why == "forked":
        return ClientClosedException(
            "The answer belongs to the process that this one was forked from.",
            hint="Ask again in this process.",
        )
    if why == "closed":
        return ClientClosedException("The client was closed while the request was on its way.")
    return RequestCancelledException("The request was cancelled while it was on its way.")


def _is_short(length: str, at_most: int) -> bool:
    is_number = length.isascii() and length.isdigit() and len(length) < 16
    return is_number and int(length) <= at_most


def is_dead(fault: BaseException) -> bool:
    """Whether a connection was closed by the other side before it sent a byte of the answer."""
    found: BaseException | None = fault
    while found is not None:
        if isinstance(found, ConnectionError | ssl.SSLEOFError | ssl.SSLZeroReturnError) and not (
            isinstance(found, requests.RequestException)
        ):
            return True
        found = _inner(found)
    return False


def _is_slow(fault: BaseException) -> bool:
    """Whether it took too long to send the request."""
    inner = _inner(fault)
    return isinstance(fault, TimeoutError) if inner is None else _is_slow(inner)


def _inner(fault: BaseException) -> BaseException | None:
    inner = getattr(fault, "reason", None)
    if isinstance(inner, BaseException):
        return inner
    return next((arg for arg in fault.args if isinstance(arg, BaseException)), None)


def reason_of(fault: BaseException) -> str:
    """Return the innermost reason: the outer ones only repeat that there was one."""
    if isinstance(fault, urllib3.exceptions.NameResolutionError):
        return f"the name cannot be resolved (DNS): {fault}"
    inner = _inner(fault)
    if inner is not None:
        return reason_of(inner)
    texts = [arg for arg in fault.args if isinstance(arg, str)]  # others print as addresses
    return texts[-1] if len(fault.args) > len(texts) > 0 else str(fault) or repr(fault)
