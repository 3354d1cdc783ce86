"""``FileCreateResponse``, where the official SDK has it."""

from .file_object import FileCreateResponse as FileCreateResponse
