"""``client.audio.speech``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

from ..._endpoints import SPEECH
from ..._response import BinaryAPIResponse
from ..._types import NOT_GIVEN, NotGiven, Omit
from .._resource import PacedOptions, Resource, lazy_bytes, raw_bytes

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Speech(Resource):
    """What ``client.audio.speech`` is."""

    def create(
        self,
        *,
        input: str,
        model: str,
        voice: str,
        response_format: (
            Literal["flac", "mp3", "mulaw", "ogg", "wav"] | NotGiven | Omit
        ) = NOT_GIVEN,
        sample_rate: (
            Literal[8000, 16000, 22050, 24000, 32000, 44100, 48000] | NotGiven | Omit
        ) = NOT_GIVEN,
        speed: float | NotGiven | Omit = NOT_GIVEN,
        **options: Unpack[PacedOptions],
    ) -> BinaryAPIResponse:
        """Say a text.

        Its characters count for the limits of tokens, as long as the service does not tell
        otherwise. Blocks until all of it is there; for hearing it earlier there is
        ``with_streaming_response``. From any thread.

        Args:
            input: What is to be said.
            model: The model's name.
            voice: One of the model's voices.
            response_format: The form of the file.
            sample_rate: Of the file, in hertz.
            speed: 0.5 to 5 times.
            **options: See :class:`PacedOptions`.

        Returns:
            The file: ``read()``, ``iter_bytes()``, ``write_to_file(path)``.

        Raises what :meth:`Completions.create` raises.
        """
        payload = {
            "input": input,
            "model": model,
            "voice": voice,
            "response_format": response_format,
            "sample_rate": sample_rate,
            "speed": speed,
            **options,
        }
        said = self._caller.paced(SPEECH, self._asked(payload), self._reply(None))
        return cast(BinaryAPIResponse, said)

    @property
    def with_raw_response(self) -> SpeechWithRawResponse:
        """The same, with HTTP around the answers."""
        return SpeechWithRawResponse(self)

    @property
    def with_streaming_response(self) -> SpeechWithStreamingResponse:
        """The same, with answers that are read when they are asked for."""
        return SpeechWithStreamingResponse(self)


class SpeechWithRawResponse:
    """``client.audio.speech.with_raw_response``."""

    def __init__(self, speech: Speech) -> None:
        self.create = raw_bytes(speech.create)


class SpeechWithStreamingResponse:
    """``client.audio.speech.with_streaming_response``."""

    def __init__(self, speech: Speech) -> None:
        self.create = lazy_bytes(speech.create)
