"""What a translation is made from."""

from __future__ import annotations

from typing import Literal, TypedDict

from ..._types import File


class _Required(TypedDict):
    model: str


class TranslationCreateParams(_Required, total=False):
    """Speech to be written down in English: a ``file``, or its ``url``."""

    file: File
    url: str
    prompt: str
    response_format: Literal["json", "text", "verbose_json"]
    temperature: float
