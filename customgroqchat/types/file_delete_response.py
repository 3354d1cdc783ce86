"""``FileDeleteResponse``, where the official SDK has it."""

from .file_object import FileDeleteResponse as FileDeleteResponse
