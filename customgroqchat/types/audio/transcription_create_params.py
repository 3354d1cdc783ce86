"""What a transcription is made from."""

from __future__ import annotations

from typing import Literal, TypedDict

from ..._types import File


class _Required(TypedDict):
    model: str


class TranscriptionCreateParams(_Required, total=False):
    """Speech to be written down: a ``file``, or its ``url``.

    ``language`` is a code of ISO 639-1, such as ``"de"``; ``prompt`` shows the spelling of names
    or goes before; ``timestamp_granularities`` needs the format ``verbose_json``.
    """

    file: File
    url: str
    language: str
    prompt: str
    response_format: Literal["json", "text", "verbose_json"]
    temperature: float
    timestamp_granularities: list[Literal["word", "segment"]]
