"""The paths of the official SDK: ``client.chat.completions.create``, ``client.models.list``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .audio import Audio as Audio
    from .batches import Batches as Batches
    from .chat import Chat as Chat
    from .embeddings import Embeddings as Embeddings
    from .files import Files as Files
    from .models import Models as Models
    from .responses import Responses as Responses
else:
    from .._lazy import lazy_exports

    __all__, __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "audio": "Audio",
            "batches": "Batches",
            "chat": "Chat",
            "embeddings": "Embeddings",
            "files": "Files",
            "models": "Models",
            "responses": "Responses",
        },
    )
