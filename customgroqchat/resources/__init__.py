"""The paths of the official SDK: ``client.chat.completions.create``, ``client.models.list``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .audio import Audio as Audio
    from .audio import AudioWithRawResponse as AudioWithRawResponse
    from .audio import AudioWithStreamingResponse as AudioWithStreamingResponse
    from .batches import Batches as Batches
    from .batches import BatchesWithRawResponse as BatchesWithRawResponse
    from .batches import BatchesWithStreamingResponse as BatchesWithStreamingResponse
    from .chat import Chat as Chat
    from .chat import ChatWithRawResponse as ChatWithRawResponse
    from .chat import ChatWithStreamingResponse as ChatWithStreamingResponse
    from .embeddings import Embeddings as Embeddings
    from .embeddings import EmbeddingsWithRawResponse as EmbeddingsWithRawResponse
    from .embeddings import EmbeddingsWithStreamingResponse as EmbeddingsWithStreamingResponse
    from .files import Files as Files
    from .files import FilesWithRawResponse as FilesWithRawResponse
    from .files import FilesWithStreamingResponse as FilesWithStreamingResponse
    from .models import Models as Models
    from .models import ModelsWithRawResponse as ModelsWithRawResponse
    from .models import ModelsWithStreamingResponse as ModelsWithStreamingResponse
    from .responses import Responses as Responses
    from .responses import ResponsesWithRawResponse as ResponsesWithRawResponse
    from .responses import ResponsesWithStreamingResponse as ResponsesWithStreamingResponse
else:
    from .._lazy import lazy_exports

    __all__, __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "audio": "Audio AudioWithRawResponse AudioWithStreamingResponse",
            "batches": "Batches BatchesWithRawResponse BatchesWithStreamingResponse",
            "chat": "Chat ChatWithRawResponse ChatWithStreamingResponse",
            "embeddings": "Embeddings EmbeddingsWithRawResponse EmbeddingsWithStreamingResponse",
            "files": "Files FilesWithRawResponse FilesWithStreamingResponse",
            "models": "Models ModelsWithRawResponse ModelsWithStreamingResponse",
            "responses": "Responses ResponsesWithRawResponse ResponsesWithStreamingResponse",
        },
    )
