"""Speech as text."""

from __future__ import annotations

from ..._objects import APIAnswer, APIObject


class TranscriptionWord(APIObject):
    """A word and when it was said, in seconds from the start."""

    word: str
    start: float
    end: float


class TranscriptionSegment(APIObject):
    """A part of the text and when it was said, in seconds from the start.

    ``tokens`` are ids. A low ``avg_logprob``, a high ``compression_ratio`` (text that repeats
    itself) and a high ``no_speech_prob`` each are signs that the text is not what was said.
    """

    id: int
    seek: int
    start: float
    end: float
    text: str
    tokens: list[int]
    temperature: float
    avg_logprob: float
    compression_ratio: float
    no_speech_prob: float


class XGroq(APIObject):
    """What the service tells of its own: ``id`` is its name of the request, for its support."""

    id: str | None


class SpokenText(APIAnswer):
    """What was said.

    Only ``text`` is always there; ``verbose_json`` adds the others, of which ``language`` is a
    name, such as ``"English"``, and ``duration`` in seconds. ``words`` and ``segments`` are there
    as ``timestamp_granularities`` asked for them.
    """

    text: str
    task: str | None
    language: str | None
    duration: float | None
    words: list[TranscriptionWord] | None
    segments: list[TranscriptionSegment] | None
    x_groq: XGroq | None


class Transcription(SpokenText):
    """What was said, in the language it was said in."""
