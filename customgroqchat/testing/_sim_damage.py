"""Answers as no service should give them: cut, held back, dripping, garbled, or another's."""

from __future__ import annotations

import functools
import gzip
import struct
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ._sim_http import Hang, Reply, Reset, head, joined
from ._sim_wire import to_json

#: Makes the reply that takes the service's place.
Instead = Callable[[], Reply]
#: Spoils a reply of the service; the callable waits for the next byte of a drip.
Damage = Callable[[Reply, Callable[[], None]], Reply]

_ELSEWHERE = "https://elsewhere.invalid/login"
_PAGE = b"<!DOCTYPE html><html><head><title>Sign in</title></head><body>Welcome</body></html>\n"
_BOMB_BYTES = 200 * 1024 * 1024
_BLOCK = bytes(1024 * 1024)
_GZIP_HEAD = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
# Clients stop at a number of headers, at a length of one, or at a sum of both.
_PADDING = {f"x-padding-{number}": "p" * 1024 for number in range(256)}


def as_reply(status: int, headers: Mapping[str, str] | None, body: Any) -> Reply:
    """A reply whose body is bytes, text, an iterable of byte chunks, or a JSON object."""
    headers = dict(headers or {})
    if body is None or isinstance(body, bytes | str):
        text = (body or b"") if not isinstance(body, str) else body.encode()
        return Reply(status, headers, text)
    if isinstance(body, dict | list):
        return Reply(status, headers, to_json(body))
    return Reply(status, headers, chunks=body)


def failure_body(status: int) -> dict[str, Any]:
    """The envelope of a fault whose body the test did not care to write."""
    if status == 503:
        text = (
            "The model is currently over capacity. Please try again and back off exponentially. "
            "Visit https://groqstatus.com to see if there is an active incident."
        )
        return {"error": {"message": text, "type": "internal_server_error"}}
    kind = "internal_server_error" if status >= 500 else "invalid_request_error"
    return {"error": {"message": f"Simulated failure {status}", "type": kind}}


# --- in place of the service -----------------------------------------------------------------


def _failure(status: int) -> Instead:
    return lambda: as_reply(status, None, failure_body(status))


def _page(status: int, **headers: str) -> Instead:
    return lambda: Reply(status, {"content-type": "text/html", **headers}, _PAGE)


def _says_nothing(end: type[ConnectionError] | None) -> Instead:
    return lambda: Reply(0, raw=_and_then(end))


INSTEAD: Mapping[str, Instead] = {
    "reset": _says_nothing(Reset),
    "drop": _says_nothing(None),
    "429_no_header": _failure(429),
    "498": _failure(498),
    "500": _failure(500),
    "502": _page(502),
    "503": _failure(503),
    "529": _failure(529),
    "html": _page(200),
    "redirect": _page(302, location=_ELSEWHERE),
}


# --- on the way back -------------------------------------------------------------------------


def _and_then(end: type[ConnectionError] | None, *pieces: bytes) -> Iterator[bytes]:
    yield from pieces
    if end is not None:
        raise end("a fault that was asked for")


def _in_bytes(reply: Reply) -> tuple[bytes, bytes]:
    """Head and body of a reply as they would have gone out, a stream as one chunk."""
    content = joined(reply)
    if reply.chunks is None:
        return head(reply, {"content-length": str(len(content))}, keep_alive=True), content
    chunk = b"%x\r\n%b\r\n" % (len(content), content) if content else b""
    return head(reply, {"transfer-encoding": "chunked"}, keep_alive=True), chunk + b"0\r\n\r\n"


def _halved(end: type[ConnectionError] | None) -> Damage:
    def damage(reply: Reply, _: Callable[[], None]) -> Reply:
        first, body = _in_bytes(reply)
        return Reply(reply.status, raw=_and_then(end, first + body[: len(body) // 2]))

    return damage


def _headers_cut(reply: Reply, _: Callable[[], None]) -> Reply:
    first, _body = _in_bytes(reply)
    return Reply(reply.status, raw=[first[: len(first) // 2]])


def _end_unmarked(reply: Reply, _: Callable[[], None]) -> Reply:
    content = joined(reply)
    first = head(reply, {}, keep_alive=False)
    return Reply(reply.status, raw=[first + content[: len(content) // 2]])


def _lost(reply: Reply, _: Callable[[], None]) -> Reply:
    joined(reply)
    return Reply(0, raw=_and_then(Hang))


def _dripping(reply: Reply, pause: Callable[[], None]) -> Reply:
    def drops() -> Iterator[bytes]:
        for number in b"".join(_in_bytes(reply)):
            pause()
            yield bytes([number])

    return Reply(reply.status, raw=drops())


def _closed_after(reply: Reply, _: Callable[[], None]) -> Reply:
    return Reply(reply.status, raw=[b"".join(_in_bytes(reply))])


def _with_body(make: Callable[[], bytes], **headers: str) -> Damage:
    def damage(reply: Reply, _: Callable[[], None]) -> Reply:
        joined(reply)
        told = {**reply.headers, "content-type": "application/json"}
        return Reply(
            reply.status, told | {n.replace("_", "-"): v for n, v in headers.items()}, make()
        )

    return damage


def _with_padding(reply: Reply, _: Callable[[], None]) -> Reply:
    return Reply(reply.status, {**reply.headers, **_PADDING}, reply.body, reply.chunks)


@functools.cache
def _gzip_bomb() -> bytes:
    # A full flush forgets what came before, so that one packed block serves for all of them.
    packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = packer.compress(_BLOCK) + packer.flush(zlib.Z_FULL_FLUSH)
    count, checksum = _BOMB_BYTES // len(_BLOCK), 0
    for _ in range(count):
        checksum = zlib.crc32(_BLOCK, checksum)
    end = packer.flush() + struct.pack("<LL", checksum, _BOMB_BYTES)
    return _GZIP_HEAD + block * count + end


def _bad_gzip() -> bytes:
    # The first bits after the head name a kind of block that does not exist.
    return gzip.compress(b"{}")[: len(_GZIP_HEAD)] + b"\xff" * 64


DAMAGES: Mapping[str, Damage] = {
    "bad_gzip": _with_body(_bad_gzip, content_encoding="gzip"),
    "bad_json": _with_body(lambda: b'{"id":"chatcmpl-0","object":"chat.completion","choices":[{'),
    "close_after": _closed_after,
    "close_delimited_cut": _end_unmarked,
    "drip": _dripping,
    "empty": _with_body(bytes),
    "gzip_bomb": _with_body(_gzip_bomb, content_encoding="gzip"),
    "hang": _lost,
    "hang_mid_body": _halved(Hang),
    "huge_headers": _with_padding,
    "reset_mid_body": _halved(Reset),
    "truncate": _halved(None),
    "truncate_headers": _headers_cut,
    "wrong_shape": _with_body(lambda: b'{"object":"list","data":[]}'),
}
