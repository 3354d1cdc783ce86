"""Files that were uploaded, or made by a batch."""

from __future__ import annotations

from typing import Literal, TypeAlias

from .._objects import APIAnswer


class FileObject(APIAnswer):
    """A file of the account: ``bytes`` is its size, ``created_at`` in seconds since 1970."""

    id: str | None
    bytes: int | None
    created_at: int | None
    filename: str | None
    object: Literal["file"] | None
    purpose: Literal["batch", "batch_output"] | None


class FileListResponse(APIAnswer):
    """The account's files, in ``data``."""

    object: Literal["list"]
    data: list[FileObject]


class FileDeleteResponse(APIAnswer):
    """That a file is gone."""

    id: str
    object: Literal["file"]
    deleted: bool


# The official SDK has a name for each occasion.
FileCreateResponse: TypeAlias = FileObject
FileInfoResponse: TypeAlias = FileObject
