"""``client.audio``: speech to text, and text to speech."""

from __future__ import annotations

from functools import cached_property

from .._resource import Resource
from .speech import Speech
from .transcriptions import Transcriptions
from .translations import Translations

__all__ = [
    "Audio",
    "AudioWithRawResponse",
    "AudioWithStreamingResponse",
    "Speech",
    "Transcriptions",
    "Translations",
]


class Audio(Resource):
    """What ``client.audio`` is."""

    @cached_property
    def transcriptions(self) -> Transcriptions:
        """Speech to text, in its own language."""
        return Transcriptions(self._caller, self._form)

    @cached_property
    def translations(self) -> Translations:
        """Speech to English text."""
        return Translations(self._caller, self._form)

    @cached_property
    def speech(self) -> Speech:
        """Text to speech."""
        return Speech(self._caller, self._form)

    @property
    def with_raw_response(self) -> AudioWithRawResponse:
        """The same, with HTTP around the answers."""
        return AudioWithRawResponse(self)

    @property
    def with_streaming_response(self) -> AudioWithStreamingResponse:
        """The same, with answers that are read when they are asked for."""
        return AudioWithStreamingResponse(self)


class AudioWithRawResponse:
    """``client.audio.with_raw_response``."""

    def __init__(self, audio: Audio) -> None:
        self.transcriptions = audio.transcriptions.with_raw_response
        self.translations = audio.translations.with_raw_response
        self.speech = audio.speech.with_raw_response


class AudioWithStreamingResponse:
    """``client.audio.with_streaming_response``."""

    def __init__(self, audio: Audio) -> None:
        self.transcriptions = audio.transcriptions.with_streaming_response
        self.translations = audio.translations.with_streaming_response
        self.speech = audio.speech.with_streaming_response
