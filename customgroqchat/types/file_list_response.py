"""``FileListResponse``, where the official SDK has it."""

from .file_object import FileListResponse as FileListResponse
