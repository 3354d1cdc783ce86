"""Requests to paths of the service that have no method of their own."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NoReturn

from ._asking import Call, asked
from ._http import ANY_BYTES, API_PREFIX, JSON, is_json
from ._objects import APIAnswer, APIObject
from ._text import shown
from ._validation import encoded, refuse
from .exceptions import InvalidRequestException

if TYPE_CHECKING:
    from ._caller import Caller
    from ._endpoints import Endpoint
    from ._multipart import Attachment
    from ._response import APIResponse

_NO_OPTIONS: Mapping[str, Any] = {}
FormFiles = Mapping[str, Any] | Sequence[tuple[str, Any]]
_ANYTHING = "*/*"


class ClientVerbs:
    """The part of :class:`GroqClient` that sends any request. All of it from any thread.

    All methods block for the answer and take the same arguments:

    - ``path``: Behind the host: ``"/openai/v1/models"``. What is posted as JSON to a path that
      counts for limits is queued like any such request; everything else is sent at once.
    - ``cast_to``: What to make of the answer: a class of this package or one with
      ``model_validate``, ``dict``, ``str``, ``bytes``, or ``httpx.Response``. By default an object
      if it is JSON, its text if it is text, else a :class:`BinaryAPIResponse`.
    - ``body``: What to send as JSON.
    - ``content``: Bytes to send as they are.
    - ``files``: FormFiles by field; with them, ``body`` has the other fields of the form.
    - ``stream``: True for a :class:`Stream`, where the path has such.
    - ``options``: The official SDK's: ``headers``, ``params``, ``timeout``, ``max_retries``,
      ``extra_json``.
    - ``**keywords``: See :class:`~customgroqchat.resources._resource.DirectOptions`.

    They raise InvalidRequestException if the request cannot be right, and APIError if the service
    refused or could not be reached.
    """

    _caller: Caller

    def get(
        self, path: str, *, cast_to: Any = None, options: Any = _NO_OPTIONS, **keywords: Any
    ) -> Any:
        """Get something; see :class:`ClientVerbs`."""
        return self._send("GET", path, cast_to, options, keywords)

    def post(
        self,
        path: str,
        *,
        cast_to: Any = None,
        body: Any = None,
        content: bytes | None = None,
        files: FormFiles | None = None,
        options: Any = _NO_OPTIONS,
        **keywords: Any,
    ) -> Any:
        """Post something; see :class:`ClientVerbs`."""
        return self._send("POST", path, cast_to, options, keywords, body, content, files)

    def put(
        self,
        path: str,
        *,
        cast_to: Any = None,
        body: Any = None,
        content: bytes | None = None,
        files: FormFiles | None = None,
        options: Any = _NO_OPTIONS,
        **keywords: Any,
    ) -> Any:
        """Put something; see :class:`ClientVerbs`."""
        return self._send("PUT", path, cast_to, options, keywords, body, content, files)

    def patch(
        self,
        path: str,
        *,
        cast_to: Any = None,
        body: Any = None,
        content: bytes | None = None,
        files: FormFiles | None = None,
        options: Any = _NO_OPTIONS,
        **keywords: Any,
    ) -> Any:
        """Patch something; see :class:`ClientVerbs`."""
        return self._send("PATCH", path, cast_to, options, keywords, body, content, files)

    def delete(
        self,
        path: str,
        *,
        cast_to: Any = None,
        body: Any = None,
        options: Any = _NO_OPTIONS,
        **keywords: Any,
    ) -> Any:
        """Delete something; see :class:`ClientVerbs`."""
        return self._send("DELETE", path, cast_to, options, keywords, body)

    def _send(
        self,
        method: str,
        path: str,
        cast_to: Any,
        options: Mapping[str, Any],
        keywords: Mapping[str, Any],
        body: Any = None,
        content: bytes | None = None,
        files: FormFiles | None = None,
    ) -> Any:
        from ._endpoints import PACED  # hardly ever needed

        prefix, below = self._parted(path)
        below, _, fixed_query = below.partition("?")
        call = self._asked({**_named_as_here(options), **keywords}, fixed_query)
        if call.payload:  # what extra_json and extra_body add, and stream
            body = {**_fields(method, body, call), **call.payload}
        endpoint = PACED.get(below) if (method, prefix) == ("POST", API_PREFIX) else None
        if endpoint is not None and isinstance(body, Mapping) and not files:
            return self._send_paced(endpoint, call._replace(payload=dict(body)), cast_to)
        if isinstance(body, bytes) and content is None:
            body, content = None, body
        more = {"prefix": prefix, **_encoded(body, content, files, call)}
        return self._send_directly(method, below, call, cast_to, more)

    def _asked(self, wanted: dict[str, Any], fixed_query: str) -> Call:
        wanted.pop("stream_cls", None)  # which is known here
        call = asked(wanted, self._caller.defaults, self._caller.config().max_wait)
        query = "&".join(filter(None, [fixed_query, call.options.query]))
        return call._replace(options=replace(call.options, query=query))

    def _send_paced(self, endpoint: Endpoint, call: Call, cast_to: Any) -> Any:
        from ._caller import Form, Reply

        whole = _object_of if endpoint.accept == JSON else None
        reply = Reply(whole, _streams().get(endpoint.path), Form.RAW)
        answer = self._caller.paced(endpoint, call, reply)
        return answer.parse() if call.payload.get("stream") else _made_of(answer, cast_to)

    def _send_directly(
        self, method: str, path: str, call: Call, cast_to: Any, more: Mapping[str, Any]
    ) -> Any:
        from ._caller import Reply

        if "content_type" in more and call.options.headers:  # the boundary is made here
            left = {k: v for k, v in call.options.headers.items() if k.lower() != "content-type"}
            call = call._replace(options=replace(call.options, headers=left))
        answer = self._caller.direct(method, path, call, Reply(None), accept=_ANYTHING, **more)
        return _made_of(answer, cast_to)

    def _parted(self, path: str) -> tuple[str, str]:
        """Return what stands before the path of the API, and that path."""
        host = self._caller.base_url
        if not isinstance(path, str) or not path:
            _refuse_path(path)
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", path):
            if not path.startswith(f"{host}/"):
                _refuse_path(path)
            path = path.removeprefix(host)
        path = path if path.startswith("/") else f"/{path}"
        if path.startswith(f"{API_PREFIX}/"):
            return API_PREFIX, path.removeprefix(API_PREFIX)
        return "", path


def _streams() -> dict[str, Callable[[Any], Any]]:
    from ._endpoints import CHAT, RESPONSES
    from .resources.responses import Responses
    from .streaming import Stream

    return {CHAT.path: Stream.of_chat, RESPONSES.path: Responses.stream_of}


def _named_as_here(options: Mapping[str, Any]) -> dict[str, Any]:
    """Return options of the official SDK under the names of our keywords."""
    names = {"headers": "extra_headers", "params": "extra_query", "extra_json": "extra_body"}
    ignored = ("idempotency_key", "follow_redirects")
    return {names.get(key, key): options[key] for key in options if key not in ignored}


def _fields(method: str, body: Any, call: Call) -> Mapping[str, Any]:
    """Return the fields of a body, to which others are to be added."""
    if method != "GET" and isinstance(body, Mapping | None):
        return body or {}
    name = next(iter(call.payload))
    raise InvalidRequestException(
        f"{name!r} cannot be added to what is sent.",
        field=name,
        value=shown(body),
        hint="Give the fields of the body as a mapping, in body.",
    )


def _encoded(
    body: Any, content: bytes | None, files: FormFiles | None, call: Call
) -> dict[str, Any]:
    """Return the body, and its media type where that is not JSON."""
    if isinstance(body, Mapping) and body.get("stream"):
        raise InvalidRequestException(
            "stream cannot be True for this path.",
            field="stream",
            value="True",
            hint="Of the paths without a method of their own, answers come whole.",
        )
    if files:
        from ._multipart import form

        upload = form(body or {}, _attached(files))
        return {"body": upload.body, "content_type": upload.content_type}
    if content is not None:
        told = {name.lower() for name in call.options.headers or ()}
        return {"body": content} | ({} if "content-type" in told else {"content_type": ANY_BYTES})
    return {} if body is None else {"body": encoded(body)}


def _attached(files: FormFiles) -> list[tuple[str, Attachment]]:
    from ._multipart import attachment

    pairs = [*files.items()] if isinstance(files, Mapping) else [*files]
    if not all(isinstance(pair, tuple) and len(pair) == 2 for pair in pairs):
        raise InvalidRequestException(
            "files has an entry that is no pair.",
            field="files",
            value=shown(files),
            hint="Give a mapping of fields to files, or a list of such pairs.",
        )
    return [(name, attachment(f"files.{name}", file)) for name, file in pairs]


def _object_of(data: Any) -> Any:
    return APIObject.wrap(data) if isinstance(data, dict) else data


def _made_of(response: APIResponse[Any], to: Any) -> Any:
    from ._response import cast_to as cast_response

    if to is not None:
        return cast_response(response, to)
    if is_json(response.headers):
        data = response.json()
        return APIAnswer.wrap(data).note(response._facts) if isinstance(data, dict) else data
    is_text = response.headers.get("content-type", "text/").startswith("text/")
    return response.text() if is_text else response


def _refuse_path(path: object) -> NoReturn:
    refuse(
        "path",
        path,
        "give a path behind the client's base_url, such as '/openai/v1/models'",
    )
