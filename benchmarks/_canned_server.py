"""A server that costs next to nothing: every request gets the same answer, from one thread.

Run as a process of its own, so that what is measured in the client is the client. It prints its
port, and ends when its standard input does.
"""

from __future__ import annotations

import json
import selectors
import socket
import sys

ANSWER = json.dumps(
    {
        "id": "chatcmpl-6cf0d6fe-87a0-4e9a-b445-79b2eed47bbc",
        "object": "chat.completion",
        "created": 1737293844,
        "model": "openai/gpt-oss-20b",
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hello! How can I help you today?"},
                "logprobs": None,
                "finish_reason": "stop",
            }
        ],
        "usage": {
            "queue_time": 0.017,
            "prompt_tokens": 80,
            "prompt_time": 0.006,
            "completion_tokens": 20,
            "completion_time": 0.1,
            "total_tokens": 100,
            "total_time": 0.106,
        },
        "system_fingerprint": "fp_c0cfa69934",
        "x_groq": {"id": "req_01jhzcgk0yfc5bbjfyrtt6rsqp"},
    }
).encode()
HEAD = "\r\n".join(
    [
        "HTTP/1.1 200 OK",
        "date: Sun, 19 Jan 2025 13:37:24 GMT",
        "content-type: application/json",
        f"content-length: {len(ANSWER)}",
        "cache-control: private, max-age=0, no-store, no-cache, must-revalidate",
        "vary: Origin, Accept-Encoding",
        "x-groq-region: us-west-1",
        "x-ratelimit-limit-requests: 500000",
        "x-ratelimit-limit-tokens: 250000000",
        "x-ratelimit-remaining-requests: 499999",
        "x-ratelimit-remaining-tokens: 249999900",
        "x-ratelimit-reset-requests: 172.8ms",
        "x-ratelimit-reset-tokens: 0.024ms",
        "x-request-id: req_01jhzcgk0yfc5bbjfyrtt6rsqp",
        "set-cookie: __cf_bm=abc; path=/; domain=.groq.com; HttpOnly; Secure; SameSite=None",
        "server: cloudflare",
        "",
        "",
    ]
).encode()


def serve() -> None:
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    print(listener.getsockname()[1], flush=True)
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    selector.register(sys.stdin, selectors.EVENT_READ)
    buffers: dict[socket.socket, bytearray] = {}
    while True:
        for key, _ in selector.select():
            if key.fileobj is sys.stdin:
                return
            if key.fileobj is listener:
                connection, _ = listener.accept()
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                buffers[connection] = bytearray()
                selector.register(connection, selectors.EVENT_READ)
            else:
                _read(key.fileobj, buffers, selector)


def _read(
    connection: socket.socket, buffers: dict[socket.socket, bytearray], selector: object
) -> None:
    try:
        data = connection.recv(65536)
    except OSError:
        data = b""
    buffer = buffers[connection]
    buffer += data
    while (length := _complete(buffer)) is not None:
        del buffer[:length]
        connection.sendall(HEAD + ANSWER)
    if not data:
        selector.unregister(connection)
        del buffers[connection]
        connection.close()


def _complete(buffer: bytearray) -> int | None:
    """Return the length of the first request, if all of it is there."""
    end = buffer.find(b"\r\n\r\n")
    if end < 0:
        return None
    head = bytes(buffer[:end]).lower()
    at = head.find(b"content-length:")
    size = int(head[at + 15 :].split(b"\r\n", 1)[0]) if at >= 0 else 0
    return end + 4 + size if len(buffer) >= end + 4 + size else None


if __name__ == "__main__":
    serve()
