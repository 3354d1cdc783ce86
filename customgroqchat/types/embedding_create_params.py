"""What embeddings are made from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, TypedDict


class _Required(TypedDict):
    input: str | Sequence[str]
    model: str


class EmbeddingCreateParams(_Required, total=False):
    """A text, or several, to become vectors."""

    encoding_format: Literal["float", "base64"]
    user: str | None
