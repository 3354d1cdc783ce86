"""``client.audio``: speech to text, and text to speech."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from .._endpoints import SPEECH, TRANSCRIPTIONS, TRANSLATIONS, Endpoint
from .._http import HTTPResponse
from .._response import BinaryAPIResponse
from .._types import NOT_GIVEN, File, NotGiven, Omit, is_given
from ..exceptions import InvalidRequestException
from ..types.audio.transcription import Transcription
from ..types.audio.translation import Translation
from ._resource import PacedOptions, Resource, lazy, lazy_bytes, raw, raw_bytes

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from .._multipart import Upload

A = TypeVar("A", Transcription, Translation)

_NO_JSON = ("text", "srt", "vtt")


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


class _Listening(Resource):
    """What transcriptions and translations have in common."""

    def _heard(
        self, endpoint: Endpoint, kind: type[A], file: Any, fields: Mapping[str, Any]
    ) -> Any:
        from .._audio_length import audio_length  # hardly ever needed, as the next
        from .._multipart import attachment, form

        call = self._asked(fields)
        payload = {name: value for name, value in call.payload.items() if value is not None}
        endpoint.check(payload)
        files = {}
        if is_given(file) and file is not None:
            files["file"] = attachment("file", file)
        elif not payload.get("url"):
            raise InvalidRequestException(
                "There is no audio: neither file nor url is given.",
                field="file",
                value="nothing",
                hint="Give file= (bytes, a file object, a path or a tuple), or url=.",
            )
        length = audio_length(files["file"].content) if files else None

        def upload(model: str) -> Upload:
            made = form({**payload, "model": model}, files)
            if length is None:
                return made
            return made._replace(audio_s=length.seconds, is_exact=length.is_exact)

        whole = kind.wrap
        if payload.get("response_format") in _NO_JSON:
            endpoint, whole = endpoint._replace(accept="text/plain"), _text_of  # type: ignore
        call = call._replace(payload={"model": payload.get("model")})
        return self._caller.paced(endpoint, call, self._reply(whole), upload)


def _text_of(response: HTTPResponse) -> str:
    return response.text


class Transcriptions(_Listening):
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


class Translations(_Listening):
    """What ``client.audio.translations`` is."""

    def create(
        self,
        *,
        model: str,
        file: File | NotGiven | Omit = NOT_GIVEN,
        url: str | NotGiven | Omit = NOT_GIVEN,
        prompt: str | NotGiven | Omit = NOT_GIVEN,
        response_format: Literal["json", "text", "verbose_json"] | NotGiven | Omit = NOT_GIVEN,
        temperature: float | NotGiven | Omit = NOT_GIVEN,
        **options: Unpack[PacedOptions],
    ) -> Translation:
        """Write down in English what is said; as :meth:`Transcriptions.create`."""
        fields = {
            "model": model,
            "url": url,
            "prompt": prompt,
            "response_format": response_format,
            "temperature": temperature,
            **options,
        }
        return cast(Translation, self._heard(TRANSLATIONS, Translation, file, fields))

    @property
    def with_raw_response(self) -> TranslationsWithRawResponse:
        """The same, with HTTP around the answers."""
        return TranslationsWithRawResponse(self)

    @property
    def with_streaming_response(self) -> TranslationsWithStreamingResponse:
        """The same, with answers that are read when they are asked for."""
        return TranslationsWithStreamingResponse(self)


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


class TranscriptionsWithRawResponse:
    """``client.audio.transcriptions.with_raw_response``."""

    def __init__(self, transcriptions: Transcriptions) -> None:
        self.create = raw(transcriptions.create)


class TranscriptionsWithStreamingResponse:
    """``client.audio.transcriptions.with_streaming_response``."""

    def __init__(self, transcriptions: Transcriptions) -> None:
        self.create = lazy(transcriptions.create)


class TranslationsWithRawResponse:
    """``client.audio.translations.with_raw_response``."""

    def __init__(self, translations: Translations) -> None:
        self.create = raw(translations.create)


class TranslationsWithStreamingResponse:
    """``client.audio.translations.with_streaming_response``."""

    def __init__(self, translations: Translations) -> None:
        self.create = lazy(translations.create)


class SpeechWithRawResponse:
    """``client.audio.speech.with_raw_response``."""

    def __init__(self, speech: Speech) -> None:
        self.create = raw_bytes(speech.create)


class SpeechWithStreamingResponse:
    """``client.audio.speech.with_streaming_response``."""

    def __init__(self, speech: Speech) -> None:
        self.create = lazy_bytes(speech.create)


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
