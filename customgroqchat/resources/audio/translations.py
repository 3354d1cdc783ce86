"""``client.audio.translations``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, cast

from ..._endpoints import TRANSLATIONS
from ..._types import NOT_GIVEN, File, NotGiven, Omit
from ...types.audio.translation import Translation
from .._resource import PacedOptions, lazy, raw
from ._listening import Listening

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Translations(Listening):
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


class TranslationsWithRawResponse:
    """``client.audio.translations.with_raw_response``."""

    def __init__(self, translations: Translations) -> None:
        self.create = raw(translations.create)


class TranslationsWithStreamingResponse:
    """``client.audio.translations.with_streaming_response``."""

    def __init__(self, translations: Translations) -> None:
        self.create = lazy(translations.create)
