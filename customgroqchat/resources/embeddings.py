"""``client.embeddings``: texts as vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal, cast

from .._asking import plain_items
from .._endpoints import EMBEDDINGS
from .._types import NOT_GIVEN, NotGiven, Omit
from ..types.embedding import CreateEmbeddingResponse
from ._resource import PacedOptions, Resource, lazy, raw

if TYPE_CHECKING:
    from typing_extensions import Unpack


class Embeddings(Resource):
    """What ``client.embeddings`` is."""

    def create(
        self,
        *,
        input: str | Sequence[str],
        model: str,
        encoding_format: Literal["float", "base64"] | NotGiven | Omit = NOT_GIVEN,
        user: str | NotGiven | Omit | None = NOT_GIVEN,
        **options: Unpack[PacedOptions],
    ) -> CreateEmbeddingResponse:
        """Return the vectors of a text, or of several.

        Blocks until the answer is there. From any thread.

        Args:
            input: The text, or texts.
            model: The model's name.
            encoding_format: Vectors as lists of numbers, or as base64 of 32-bit floats.
            user: Who asks, for the service.
            **options: See :class:`PacedOptions`.

        Raises what :meth:`Completions.create` raises.
        """
        payload = {
            "input": plain_items(input),
            "model": model,
            "encoding_format": encoding_format,
            "user": user,
            **options,
        }
        reply = self._reply(CreateEmbeddingResponse.wrap)
        found = self._caller.paced(EMBEDDINGS, self._asked(payload), reply)
        return cast(CreateEmbeddingResponse, found)

    @property
    def with_raw_response(self) -> EmbeddingsWithRawResponse:
        """The same, with HTTP around the answers."""
        return EmbeddingsWithRawResponse(self)

    @property
    def with_streaming_response(self) -> EmbeddingsWithStreamingResponse:
        """The same, with answers that are read when they are asked for."""
        return EmbeddingsWithStreamingResponse(self)


class EmbeddingsWithRawResponse:
    """``client.embeddings.with_raw_response``."""

    def __init__(self, embeddings: Embeddings) -> None:
        self.create = raw(embeddings.create)


class EmbeddingsWithStreamingResponse:
    """``client.embeddings.with_streaming_response``."""

    def __init__(self, embeddings: Embeddings) -> None:
        self.create = lazy(embeddings.create)
