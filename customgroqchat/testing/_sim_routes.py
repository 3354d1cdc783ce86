"""Which part of the simulator answers which request."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote

from ._sim_controls import RequestRecord
from ._sim_http import Reply, Request
from ._sim_multipart import Form, Upload, is_form, parse_form
from ._sim_validation import parse_payload, unknown_url


@dataclass(frozen=True)
class Call:
    """A request on its way to the part that answers it; ``identifier`` is taken from its path."""

    request: Request
    record: RequestRecord
    identifier: str = ""

    @property
    def key(self) -> str:
        """The API key, which stands for an organisation."""
        return self.record.key or ""

    @property
    def query(self) -> dict[str, list[str]]:
        """The query's values by name."""
        return parse_qs(self.request.query)

    def payload(self) -> dict[str, Any]:
        """The JSON object in the body; raises ApiError."""
        if self.record.payload is None or is_form(self.request.headers):
            return parse_payload(self.request.body)
        return self.record.payload

    def form(self) -> Form:
        """The form in the body; raises ApiError."""
        if self.record.payload is None or not is_form(self.request.headers):
            return parse_form(self.request.headers, self.request.body)
        return Form.of(self.record.payload, self.record.files)


Handler = Callable[[Call], Reply]


class Router:
    """A table of routes: ``"GET /files/{id}"``; the id of ``{path}`` may contain slashes."""

    def __init__(self, prefix: str, routes: Mapping[str, Handler]) -> None:
        """Serve ``routes`` below ``prefix``; the first that fits is taken."""
        self._routes = [(_pattern(prefix, route), handler) for route, handler in routes.items()]

    def find(self, method: str, path: str) -> tuple[Handler, str]:
        """The handler, and the decoded id in the path; raises ApiError (404 ``unknown_url``)."""
        for pattern, handler in self._routes:
            found = pattern.fullmatch(f"{method} {path}")
            if found:
                return handler, unquote("".join(found.groups()))
        raise unknown_url(method, path)


def _pattern(prefix: str, route: str) -> re.Pattern[str]:
    method, _, path = route.partition(" ")
    text = re.escape(f"{method} {prefix}{path}")
    return re.compile(text.replace(r"\{id\}", "([^/]+)").replace(r"\{path\}", "(.+)"))


def parsed_body(
    headers: Mapping[str, str], body: bytes
) -> tuple[dict[str, Any] | None, dict[str, Upload]]:
    """The JSON object or the fields of the form in ``body``, and its files; raises ApiError."""
    if is_form(headers):
        form = parse_form(headers, body)
        return form.payload(), form.files
    return parse_payload(body), {}
