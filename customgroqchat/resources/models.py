"""``client.models``: which models the key may use."""

from __future__ import annotations

from collections.abc import Callable

from .._objects import ModelList
from ..api_client import APIResponse


class Models:
    """What ``client.models`` is."""

    def __init__(self, get: Callable[[str], APIResponse]) -> None:
        self._get = get

    def list(self) -> ModelList:
        """Return the models, with context windows and, where told, prices.

        Blocks for one request, which is not queued since it counts for no limit. From any thread.

        Raises:
            APIError: the service could not be reached or refused.
        """
        return ModelList.wrap(self._get("/models").data)
