"""Texts as vectors."""

from __future__ import annotations

from typing import Literal

from .._objects import APIAnswer, APIObject


class Embedding(APIObject):
    """The vector of the text at ``index``: numbers, or those as base64 if that was asked for."""

    index: int
    object: Literal["embedding"]
    embedding: list[float] | str


class Usage(APIObject):
    """What the request used, in tokens."""

    prompt_tokens: int
    total_tokens: int


class CreateEmbeddingResponse(APIAnswer):
    """A vector for every text, in ``data``."""

    object: Literal["list"]
    model: str
    data: list[Embedding]
    usage: Usage
