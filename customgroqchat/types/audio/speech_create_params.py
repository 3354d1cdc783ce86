"""What speech is made from."""

from __future__ import annotations

from typing import Literal, TypedDict


class _Required(TypedDict):
    input: str
    model: str
    voice: str


class SpeechCreateParams(_Required, total=False):
    """A text to be spoken; ``sample_rate`` in hertz, ``speed`` from 0.5 to 5 times."""

    response_format: Literal["flac", "mp3", "mulaw", "ogg", "wav"]
    sample_rate: Literal[8000, 16000, 22050, 24000, 32000, 44100, 48000]
    speed: float
