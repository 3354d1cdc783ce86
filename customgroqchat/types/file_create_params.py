"""What a file is made from."""

from __future__ import annotations

from typing import Literal, TypedDict

from .._types import File


class FileCreateParams(TypedDict):
    """A file to be uploaded."""

    file: File
    purpose: Literal["batch"]
