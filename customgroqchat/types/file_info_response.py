"""``FileInfoResponse``, where the official SDK has it."""

from .file_object import FileInfoResponse as FileInfoResponse
