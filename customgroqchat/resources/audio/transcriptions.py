"""``client.audio.transcriptions``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

from ..._endpoints import TRANSCRIPTIONS
from ..._types import NOT_GIVEN, File, NotGiven, Omit
from ...types.audio.transcription import Transcription
from .._resource import PacedOptions, lazy, raw
from ._listening import Listening

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Transcriptions(Listening):
    """What ``client.audio.transcriptions`` is."""

    def create(
        self,
        *,
        model: str,
        file: File | NotGiven | Omit = NOT_GIVEN,
        url: str | NotGiven | Omit = NOT_GIVEN,
        language: str | NotGiven | Omit = NOT_GIVEN,
        prompt: str | NotGiven | Omit = NOT_GIVEN,
        response_format: Literal["json", "text", "verbose_json"] | NotGiven | Omit = NOT_GIVEN,
        temperature: float | NotGiven | Omit = NOT_GIVEN,
        timestamp_granularities: (list[Literal["word", "segment"]] | NotGiven | Omit) = NOT_GIVEN,
        **options: Unpack[PacedOptions],
    ) -> Transcription:
        """Write down what is said.

        Its seconds of audio count for the limits per hour and day; they are read from the file,
        or estimated. Blocks for reading the file, and until the answer is there. From any thread.

        Args:
            model: The model's name.
            file: Bytes, a file object that reads bytes, a path, or a tuple (name, content[, media
                type[, headers]]).
            url: The address of the audio, in place of a file.
            language: What is spoken, as a code of ISO 639-1.
            prompt: How names are spelt, or what was said before.
            response_format: With ``"text"`` a string is returned; ``"verbose_json"`` has times.
            temperature: 0 to 1.
            timestamp_granularities: Of what times are wanted; with ``"verbose_json"``.
            **options: See :class:`PacedOptions`.

        Raises what :meth:`Completions.create` raises.
        """
        fields = {
            "model": model,
            "url": url,
            "language": language,
            "prompt": prompt,
            "response_format": response_format,
            "temperature": temperature,
            "timestamp_granularities": timestamp_granularities,
            **options,
        }
        return cast(Transcription, self._heard(TRANSCRIPTIONS, Transcription, file, fields))

    @property
    def with_raw_response(self) -> TranscriptionsWithRawResponse:
        """The same, with HTTP around the answers."""
        return TranscriptionsWithRawResponse(self)

    @property
    def with_streaming_response(self) -> TranscriptionsWithStreamingResponse:
        """The same, with answers that are read when they are asked for."""
        return TranscriptionsWithStreamingResponse(self)


class TranscriptionsWithRawResponse:
    """``client.audio.transcriptions.with_raw_response``."""

    def __init__(self, transcriptions: Transcriptions) -> None:
        self.create = raw(transcriptions.create)


class TranscriptionsWithStreamingResponse:
    """``client.audio.transcriptions.with_streaming_response``."""

    def __init__(self, transcriptions: Transcriptions) -> None:
        self.create = lazy(transcriptions.create)
