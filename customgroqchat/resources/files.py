"""``client.files``: files for batches, and of their results."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal, cast

from .._http import ANY_BYTES
from .._response import BinaryAPIResponse
from .._types import File
from ..types.file_object import FileDeleteResponse, FileListResponse, FileObject
from ._resource import (
    DirectOptions,
    Resource,
    check_keywords,
    lazy,
    lazy_bytes,
    path_with,
    raw,
    raw_bytes,
)

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Files(Resource):
    """What ``client.files`` is.

    Nothing of it is queued, since it counts for no limit of models. All methods block for one
    request, and may be called from any thread. They raise InvalidRequestException for an empty
    ``file_id``, and APIError if the service refused or could not be reached.
    """

    def create(
        self, *, file: File, purpose: Literal["batch"], **options: Unpack[DirectOptions]
    ) -> FileObject:
        """Upload a file; it is read into memory.

        Args:
            file: Bytes, a file object that reads bytes, a path, or a tuple (name, content[, media
                type[, headers]]).
            purpose: What it is for.
            **options: See :class:`DirectOptions`.
        """
        from .._multipart import attachment, form

        check_keywords(options)
        call = self._asked({"purpose": purpose, **cast(Mapping[str, Any], options)})
        upload = form(call.payload, [("file", attachment("file", file))])
        return cast(
            FileObject,
            self._caller.direct(
                "POST",
                "/files",
                call,
                self._reply(FileObject.wrap),
                body=upload.body,
                content_type=upload.content_type,
            ),
        )

    def list(self, **options: Unpack[DirectOptions]) -> FileListResponse:
        """Return the files of the account, in ``data``."""
        found = self._direct("GET", "/files", FileListResponse.wrap, options)
        return cast(FileListResponse, found)

    def info(self, file_id: str, **options: Unpack[DirectOptions]) -> FileObject:
        """Return what is known of a file."""
        path = path_with("/files", "file_id", file_id)
        return cast(FileObject, self._direct("GET", path, FileObject.wrap, options))

    def content(self, file_id: str, **options: Unpack[DirectOptions]) -> BinaryAPIResponse:
        """Return what is in a file, all of it at once.

        For large ones there is ``with_streaming_response``.
        """
        path = path_with("/files", "file_id", file_id, "/content")
        found = self._direct("GET", path, None, options, accept=ANY_BYTES)
        return cast(BinaryAPIResponse, found)

    def delete(self, file_id: str, **options: Unpack[DirectOptions]) -> FileDeleteResponse:
        """Delete a file."""
        path = path_with("/files", "file_id", file_id)
        gone = self._direct("DELETE", path, FileDeleteResponse.wrap, options)
        return cast(FileDeleteResponse, gone)

    @property
    def with_raw_response(self) -> FilesWithRawResponse:
        """The same, with HTTP around the answers."""
        return FilesWithRawResponse(self)

    @property
    def with_streaming_response(self) -> FilesWithStreamingResponse:
        """The same, with answers that are read when they are asked for."""
        return FilesWithStreamingResponse(self)


class FilesWithRawResponse:
    """``client.files.with_raw_response``."""

    def __init__(self, files: Files) -> None:
        self.create = raw(files.create)
        self.list = raw(files.list)
        self.info = raw(files.info)
        self.content = raw_bytes(files.content)
        self.delete = raw(files.delete)


class FilesWithStreamingResponse:
    """``client.files.with_streaming_response``."""

    def __init__(self, files: Files) -> None:
        self.create = lazy(files.create)
        self.list = lazy(files.list)
        self.info = lazy(files.info)
        self.content = lazy_bytes(files.content)
        self.delete = lazy(files.delete)
