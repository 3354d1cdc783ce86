"""The resources of a client: the official SDK's paths."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ._caller import Caller
    from ._model_catalog import ModelCatalog
    from .resources.audio import Audio
    from .resources.batches import Batches
    from .resources.chat import Chat
    from .resources.embeddings import Embeddings
    from .resources.files import Files
    from .resources.models import Models
    from .resources.responses import Responses


class ClientResources:
    """The part of :class:`GroqClient` that has the resources. Any thread may use them.

    A resource is loaded when it is used for the first time.
    """

    _caller: Caller
    _catalog: ModelCatalog

    @cached_property
    def chat(self) -> Chat:
        """Conversations: ``client.chat.completions.create``."""
        from .resources.chat import Chat

        return Chat(self._caller)

    @cached_property
    def responses(self) -> Responses:
        """The Responses API."""
        from .resources.responses import Responses

        return Responses(self._caller)

    @cached_property
    def embeddings(self) -> Embeddings:
        """Texts as vectors."""
        from .resources.embeddings import Embeddings

        return Embeddings(self._caller)

    @cached_property
    def audio(self) -> Audio:
        """Speech to text, and text to speech."""
        from .resources.audio import Audio

        return Audio(self._caller)

    @cached_property
    def models(self) -> Models:
        """Which models there are, and what is known of them."""
        from .resources.models import Models

        return Models(self._caller, catalog=self._catalog)

    @cached_property
    def files(self) -> Files:
        """Files for batches, and of their results."""
        from .resources.files import Files

        return Files(self._caller)

    @cached_property
    def batches(self) -> Batches:
        """Many requests at half the price, worked off within a day or more."""
        from .resources.batches import Batches

        return Batches(self._caller)

    @property
    def with_raw_response(self) -> ClientWithRawResponse:
        """The same resources, with HTTP around the answers."""
        return ClientWithRawResponse(self)

    @property
    def with_streaming_response(self) -> ClientWithStreamingResponse:
        """The same resources, with answers that are read when they are asked for."""
        return ClientWithStreamingResponse(self)

    def _forget_resources(self) -> None:
        """Have them made anew, for another caller."""
        for name, value in vars(ClientResources).items():
            if isinstance(value, cached_property):
                self.__dict__.pop(name, None)


class ClientWithRawResponse:
    """``client.with_raw_response``."""

    def __init__(self, client: ClientResources) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name).with_raw_response


class ClientWithStreamingResponse:
    """``client.with_streaming_response``."""

    def __init__(self, client: ClientResources) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name).with_streaming_response
