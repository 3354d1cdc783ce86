"""Requests to paths of the service that have no method of their own."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ._asking import Call, asked
from ._http import ANY_BYTES, API_PREFIX, JSON, is_json
from ._objects import APIAnswer, APIObject
from ._text import shown
from ._validation import encoded
from .exceptions import InvalidRequestException

if TYPE_CHECKING:
    from ._caller import Caller
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
    - ``**keywords``: See :class:`~customgroqchat.resources._resource.RequestOptions`.

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
        from ._caller import Form, Reply  # hardly ever needed, as the next
        from ._endpoints import PACED

        prefix, below = self._parted(path)
        wanted = {**_named_as_here(options), **keywords}
        wanted.pop("stream_cls", None)  # which is known here
        call = asked(wanted, self._caller.defaults, self._caller.config().max_wait)
        if call.payload:  # what extra_json and extra_body add, and stream
            if method == "GET" or not isinstance(body, Mapping | None):
                raise InvalidRequestException(
                    f"{next(iter(call.payload))!r} cannot be added to what is sent.",
                    field=next(iter(call.payload)),
                    value=shown(body),
                    hint="Give the fields of the body as a mapping, in body.",
                )
            body = {**(body or {}), **call.payload}
        below, _, fixed = below.partition("?")
        query = "&".join(filter(None, [fixed, call.options.query]))
        call = call._replace(options=replace(call.options, query=query))
        endpoint = PACED.get(below) if (method, prefix) == ("POST", API_PREFIX) else None
        if endpoint is not None and isinstance(body, Mapping) and not files:
            whole = _object_of if endpoint.accept == JSON else None
            reply = Reply(whole, _streams().get(below), Form.RAW)
            paced = self._caller.paced(endpoint, call._replace(payload=dict(body)), reply)
            return paced.parse() if body.get("stream") else _made_of(paced, cast_to)
        if isinstance(body, bytes) and content is None:
            body, content = None, body
        if files and call.options.headers:  # the boundary is made here
            left = {k: v for k, v in call.options.headers.items() if k.lower() != "content-type"}
            call = call._replace(options=replace(call.options, headers=left))
        if body is not None and isinstance(body, Mapping) and body.get("stream"):
            raise InvalidRequestException(
                "stream cannot be True for this path.",
                field="stream",
                value="True",
                hint="Of the paths without a method of their own, answers come whole.",
            )
        more = _encoded(body, content, files, call)
        response = self._caller.direct(
            method, below, call, Reply(None), prefix=prefix, accept=_ANYTHING, **more
        )
        return _made_of(response, cast_to)

    def _parted(self, path: str) -> tuple[str, str]:
        """Return what stands before the path of the API, and that path."""
        host = self._caller.base_url
        if not isinstance(path, str) or not path:
            raise _wrong_path(path)
        if re.match(r"[A-Za-z][A-Za-z0-9+.-]*://", path):
            if not path.startswith(f"{host}/"):
                raise _wrong_path(path)
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


def _encoded(
    body: Any, content: bytes | None, files: FormFiles | None, call: Call
) -> dict[str, Any]:
    if files:
        from ._multipart import attachment, form

        pairs = files.items() if isinstance(files, Mapping) else files
        attached = [
            (pair[0], attachment(f"files.{pair[0]}", pair[-1])) for pair in pairs if len(pair) == 2
        ]
        if len(attached) != len(pairs):
            raise InvalidRequestException(
                "files has an entry that is no pair.",
                field="files",
                value=shown(files),
                hint="Give a mapping of fields to files, or a list of such pairs.",
            )
        upload = form(body or {}, attached)
        return {"body": upload.body, "content_type": upload.content_type}
    if content is not None:
        told = {name.lower() for name in call.options.headers or ()}
        return {"body": content, "content_type": "" if "content-type" in told else ANY_BYTES}
    return {} if body is None else {"body": encoded(body)}


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


def _wrong_path(path: object) -> InvalidRequestException:
    return InvalidRequestException(
        f"path cannot be {shown(path)}.",
        field="path",
        value=shown(path),
        hint="Give a path behind the client's base_url, such as '/openai/v1/models'.",
    )
