"""Serving files: upload, list, content, delete. Each API key has its own."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Any

from ._sim_backend import Backend
from ._sim_http import Reply
from ._sim_routes import Call, Handler
from ._sim_speech import in_chunks
from ._sim_validation import invalid
from ._sim_wire import ApiError, to_json

_LARGEST_FILE = 200 * 1024 * 1024


@dataclass(frozen=True)
class StoredFile:
    """One file, of the account whose key is ``owner``."""

    identifier: str
    owner: str
    filename: str
    purpose: str
    content: bytes
    created_at: int

    def json(self) -> dict[str, Any]:
        """The object that describes it."""
        return {
            "id": self.identifier,
            "object": "file",
            "bytes": len(self.content),
            "created_at": self.created_at,
            "filename": self.filename,
            "purpose": self.purpose,
        }


class FileStore:
    """The files of all accounts. From any thread."""

    def __init__(self, backend: Backend) -> None:
        """Start without any."""
        self._backend = backend
        self._lock = threading.Lock()
        self._files: dict[str, StoredFile] = {}

    def add(self, owner: str, filename: str, purpose: str, content: bytes) -> StoredFile:
        """Keep a file under a new id."""
        identifier, now = self._backend.new_id("file"), int(self._backend.wall_clock())
        file = StoredFile(identifier, owner, filename, purpose, content, now)
        with self._lock:
            self._files[identifier] = file
        return file

    def find(self, owner: str, identifier: str) -> StoredFile:
        """A file of this account; raises ApiError."""
        with self._lock:
            file = self._files.get(identifier)
        if file is None or file.owner != owner:
            raise ApiError(404, f"No such File object: {identifier}", code="not_found", param="id")
        return file

    def all(self, owner: str) -> list[StoredFile]:
        """The files of this account, newest first."""
        with self._lock:
            return [file for file in reversed(self._files.values()) if file.owner == owner]

    def remove(self, identifier: str) -> None:
        """Forget a file."""
        with self._lock:
            self._files.pop(identifier, None)

    def clear(self) -> None:
        """Forget all files."""
        with self._lock:
            self._files.clear()


@dataclass
class FilesService:
    """What answers requests under ``/files``."""

    store: FileStore

    def routes(self) -> dict[str, Handler]:
        """Its part of the table of routes."""
        return {
            "POST /files": self.create,
            "GET /files": self.list,
            "GET /files/{id}": self.info,
            "DELETE /files/{id}": self.delete,
            "GET /files/{id}/content": self.content,
        }

    def create(self, call: Call) -> Reply:
        """Keep what is uploaded; raises ApiError."""
        form = call.form()
        upload, purpose = form.files.get("file"), form.get("purpose")
        if upload is None:
            raise invalid("file is required", param="file")
        if purpose != "batch":
            raise invalid("purpose must be one of [batch]", param="purpose")
        if len(upload.content) > _LARGEST_FILE:
            raise ApiError(413, "Request Entity Too Large", code="request_too_large")
        # Bytes that a program hands over have no name of their own.
        if "." in upload.filename and not upload.filename.lower().endswith(".jsonl"):
            raise invalid("file must be a .jsonl file", param="file")
        file = self.store.add(call.key, upload.filename, purpose, upload.content)
        return Reply(200, body=to_json(file.json()))

    def list(self, call: Call) -> Reply:
        """All files of the account."""
        data = [file.json() for file in self.store.all(call.key)]
        return Reply(200, body=to_json({"object": "list", "data": data}))

    def info(self, call: Call) -> Reply:
        """One of them; raises ApiError."""
        return Reply(200, body=to_json(self._file(call).json()))

    def content(self, call: Call) -> Reply:
        """Its bytes, in chunks; raises ApiError."""
        file = self._file(call)
        headers = {
            "content-type": "application/octet-stream",
            "content-disposition": f'attachment; filename="{file.identifier}.jsonl"',
        }
        return Reply(200, headers, chunks=in_chunks(file.content))

    def delete(self, call: Call) -> Reply:
        """Forget it; raises ApiError."""
        file = self._file(call)
        self.store.remove(file.identifier)
        deleted = {"id": file.identifier, "object": "file", "deleted": True}
        return Reply(200, body=to_json(deleted))

    def _file(self, call: Call) -> StoredFile:
        return self.store.find(call.key, call.identifier)
