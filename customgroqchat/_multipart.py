"""Files, in whatever form they are given, and the forms that carry them.

A file is read into memory as soon as it is given: the request may have to be sent again.
"""

from __future__ import annotations

import io
import mimetypes
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from ._json import encode
from ._text import shown
from ._types import is_given
from ._validation import refuse
from .exceptions import InvalidRequestException

_UNNAMED = "upload"
_OPAQUE = "application/octet-stream"


class Attachment(NamedTuple):
    """A file to be sent.

    Attributes:
        name: Its name, without folders.
        content: Its bytes.
        content_type: Its media type.
        headers: Further headers of its part of the form.
    """

    name: str
    content: bytes
    content_type: str
    headers: Mapping[str, str] = {}


class Upload(NamedTuple):
    """A form, encoded.

    Attributes:
        body: Its bytes.
        content_type: Its media type, with the boundary.
        audio_s: Seconds of audio in it, or None if that cannot be told from it.
        is_exact: Whether they were read from it, and not estimated.
    """

    body: bytes
    content_type: str
    audio_s: float | None = None
    is_exact: bool = False


def attachment(field: str, file: Any) -> Attachment:
    """Return a file that was given as bytes, file object, path, or a tuple with one of them.

    Blocks for reading it. From any thread.

    Raises:
        InvalidRequestException: it is none of these, or cannot be read.
    """
    name, content, content_type, headers = _parts(field, file)
    data = _bytes_of(field, content)
    name = name or _name_of(content)
    guessed = content_type or mimetypes.guess_type(name)[0] or _OPAQUE
    return Attachment(name, data, guessed, headers or {})


def form(fields: Mapping[str, Any], files: Iterable[tuple[str, Attachment]]) -> Upload:
    """Return a form with these fields and files; of a list, each item is a field of its own."""
    from urllib3.fields import RequestField  # not with the package: it takes long to load
    from urllib3.filepost import encode_multipart_formdata

    parts = []
    for name, value in _flat(fields):
        part = RequestField(name, value)
        part.make_multipart()
        parts.append(part)
    for name, file in files:
        part = RequestField(name, file.content, file.name, dict(file.headers))
        part.make_multipart(content_type=file.content_type)
        parts.append(part)
    body, content_type = encode_multipart_formdata(parts)
    return Upload(body, content_type)


def _parts(field: str, file: Any) -> tuple[str | None, Any, str | None, Mapping[str, str] | None]:
    if not isinstance(file, tuple):
        return None, file, None, None
    if not 2 <= len(file) <= 4:
        _refuse(field, file)
    name, content, content_type, headers = (*file, None, None)[:4]
    return name, content, content_type, headers


def _bytes_of(field: str, content: Any) -> bytes:
    if isinstance(content, bytes | bytearray | memoryview):
        return bytes(content)
    if isinstance(content, os.PathLike):
        try:
            return Path(content).read_bytes()
        except OSError as fault:
            raise InvalidRequestException(
                f"{field} cannot be read: {fault}.",
                field=field,
                value=shown(content),
                hint="Give the path of a file that exists and may be read.",
            ) from fault
    read = getattr(content, "read", None)
    data = read() if callable(read) else None
    if isinstance(data, str) and not isinstance(content, io.TextIOBase):
        return data.encode()
    if not isinstance(data, bytes):
        _refuse(field, content)
    return data


def _name_of(content: Any) -> str:
    path = content if isinstance(content, os.PathLike) else getattr(content, "name", None)
    return Path(path).name if isinstance(path, str | os.PathLike) else _UNNAMED


def _flat(fields: Mapping[str, Any]) -> Iterable[tuple[str, str | bytes]]:
    for name, value in fields.items():
        if isinstance(value, list | tuple):
            yield from ((f"{name}[]", _word(item)) for item in value)
        elif is_given(value) and value is not None:
            yield name, _word(value)


def _word(value: Any) -> str | bytes:
    if isinstance(value, str):
        return value
    return encode(value)  # true, 0.5; and what is nested stays JSON


def _refuse(field: str, value: object) -> NoReturn:
    refuse(
        field,
        value,
        "give bytes, a file opened in binary mode, a pathlib.Path, or a tuple "
        "(name, content[, media type[, headers]])",
    )
