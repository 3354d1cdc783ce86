"""All endpoints of the simulator, put together."""

from __future__ import annotations

from ._sim_audio import AudioService
from ._sim_backend import Backend
from ._sim_batch_lines import LineRunner
from ._sim_batches import BatchEnd, BatchesService
from ._sim_catalogue import CatalogueService
from ._sim_chat import ChatService
from ._sim_embeddings import EmbeddingsService
from ._sim_files import FilesService, FileStore
from ._sim_responses import ResponsesService
from ._sim_routes import Handler, Router
from ._sim_speech import SpeechService

PREFIX = "/openai/v1"


class Api:
    """The table of routes, and the parts behind it that remember something."""

    def __init__(
        self, backend: Backend, chat: ChatService, batch_steps: int, batch_end: BatchEnd
    ) -> None:
        """Serve with these; raises ValueError for an impossible pace or end of batches."""
        audio = AudioService(backend)
        self.files = FileStore(backend)
        self.batches = BatchesService(backend, self.files, LineRunner(chat, audio))
        self.batches.set(batch_steps, batch_end)
        routes: dict[str, Handler] = {
            "POST /chat/completions": chat.serve,
            **ResponsesService(chat).routes(),
            **EmbeddingsService(backend).routes(),
            **audio.routes(),
            **SpeechService(backend).routes(),
            **CatalogueService(backend).routes(),
            **FilesService(self.files).routes(),
            **self.batches.routes(),
        }
        self.router = Router(PREFIX, routes)

    def clear(self) -> None:
        """Forget all files and batches."""
        self.files.clear()
        self.batches.clear()
