"""Speech in any language as English text."""

from __future__ import annotations

from .transcription import SpokenText


class Translation(SpokenText):
    """What was said, in English."""
