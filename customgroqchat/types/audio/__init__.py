"""The types of speech: transcriptions, translations, and what is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .speech_create_params import SpeechCreateParams as SpeechCreateParams
    from .transcription import Transcription as Transcription
    from .transcription import TranscriptionSegment as TranscriptionSegment
    from .transcription import TranscriptionWord as TranscriptionWord
    from .transcription_create_params import TranscriptionCreateParams as TranscriptionCreateParams
    from .translation import Translation as Translation
    from .translation_create_params import TranslationCreateParams as TranslationCreateParams
else:
    from ..._lazy import lazy_exports

    __all__, __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "speech_create_params": "SpeechCreateParams",
            "transcription": "Transcription TranscriptionSegment TranscriptionWord",
            "transcription_create_params": "TranscriptionCreateParams",
            "translation": "Translation",
            "translation_create_params": "TranslationCreateParams",
        },
    )
