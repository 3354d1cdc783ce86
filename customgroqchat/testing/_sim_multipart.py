"""Bodies of requests: forms in parts, as browsers and HTTP libraries send them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from email.message import Message
from typing import Any
from urllib.parse import unquote

from ._sim_wire import ApiError


@dataclass(frozen=True)
class Upload:
    """A file that was sent in a form."""

    filename: str
    content_type: str
    content: bytes = field(repr=False)


@dataclass
class Form:
    """The fields of a form, each with all its values, and its files."""

    fields: dict[str, list[str]] = field(default_factory=dict)
    files: dict[str, Upload] = field(default_factory=dict)

    @classmethod
    def of(cls, payload: Mapping[str, Any], files: Mapping[str, Upload]) -> Form:
        """The form that these fields and files make."""
        fields = {
            name: value if isinstance(value, list) else [value] for name, value in payload.items()
        }
        return cls({name: list(map(str, values)) for name, values in fields.items()}, dict(files))

    def get(self, name: str) -> str | None:
        """The first value of a field, or None if it is absent or empty."""
        return next(iter(self.fields.get(name, ())), "") or None

    def get_list(self, name: str) -> list[str]:
        """All values of a field that may be repeated, with ``[]`` after its name or without."""
        return [*self.fields.get(name, ()), *self.fields.get(name + "[]", ())]

    def payload(self) -> dict[str, Any]:
        """The fields as an object: a list where there are several values, or ``[]``."""
        return {
            name: values if len(values) > 1 or name.endswith("[]") else values[0]
            for name, values in self.fields.items()
        }


def is_form(headers: Mapping[str, str]) -> bool:
    """Whether the body of such a request is a form in parts."""
    return headers.get("content-type", "").lower().startswith("multipart/form-data")


def parse_form(headers: Mapping[str, str], body: bytes) -> Form:
    """The form in ``body``; raises ApiError when it is none."""
    form = Form()
    for name, upload in _parts(headers, body):
        if upload.filename:
            form.files[name] = upload
        else:
            text = upload.content.decode("utf-8", "replace")
            form.fields.setdefault(name, []).append(text)
    return form


def _parts(headers: Mapping[str, str], body: bytes) -> Iterator[tuple[str, Upload]]:
    boundary = _parameter(headers.get("content-type", ""), "boundary")
    if not is_form(headers) or not boundary:
        raise ApiError(400, "request Content-Type isn't multipart/form-data")
    delimiter = b"--" + boundary.encode("latin-1")
    sections = (b"\r\n" + body).split(b"\r\n" + delimiter)
    if len(sections) < 2 or not sections[-1].startswith(b"--"):
        raise ApiError(400, "multipart: NextPart: EOF")
    for section in sections[1:-1]:
        head, _, content = section.partition(b"\r\n\r\n")
        yield _part(head.decode("utf-8", "replace"), content)


def _part(head: str, content: bytes) -> tuple[str, Upload]:
    lines = (line.partition(":") for line in head.strip("\r\n").split("\r\n"))
    headers = {name.lower(): value.strip() for name, _, value in lines}
    disposition = headers.get("content-disposition", "")
    filename = _parameter(disposition, "filename") or _extended(disposition)
    kind = headers.get("content-type", "application/octet-stream")
    return _parameter(disposition, "name"), Upload(filename, kind, content)


def _parameter(header: str, name: str) -> str:
    message = Message()
    message["content-type"] = header
    value = message.get_param(name)
    return value if isinstance(value, str) else ""


def _extended(disposition: str) -> str:
    found = re.search(r"filename\*=utf-8''([^;]+)", disposition, re.IGNORECASE)
    return unquote(found[1]) if found else ""
