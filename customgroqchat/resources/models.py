"""``client.models``: which models the key may use."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .._objects import ModelList
from ..api_client import APIResponse


class Models:
    """What ``client.models`` is."""

    def __init__(self, get: Callable[[str], Sequence[APIResponse]]) -> None:
        self._get = get

    def list(self) -> ModelList:
        """Return the models, with context windows and, where told, prices.

        Blocks for one request to each account that is configured, as a rule one. They are not
        queued, since they count for no limit. From any thread.

        Raises:
            APIError: the service could not be reached or refused.
        """
        lists = [ModelList.wrap(response.data) for response in self._get("/models")]
        served = {model["id"]: model for found in lists for model in found.data or ()}
        return ModelList({**lists[0], "data": list(served.values())})
