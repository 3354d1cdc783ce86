"""``client.models``: which models the key may use."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from .._objects import ModelList
from ..exceptions import APIConnectionError, APIError

if TYPE_CHECKING:
    from ..api_client import APIClient, APIRequest
    from ..config_loader import Config
    from ..plan import Prices

_log = logging.getLogger(__name__)


class Models:
    """What ``client.models`` is."""

    def __init__(self, api: APIClient, config: Callable[[], Config]) -> None:
        self._api = api
        self._config = config

    def list(self) -> ModelList:
        """Return the models, with context windows and, where told, prices.

        Blocks for one request to each account that is configured, as a rule one. They are not
        queued, since they count for no limit. From any thread.

        Raises:
            APIError: the service could not be reached or refused.
        """
        lists = [ModelList.wrap(self._api.send(request).data) for request in self._requests()]
        served = {model["id"]: model for found in lists for model in found.data or ()}
        return ModelList({**lists[0], "data": list(served.values())})

    def available(self, configured: Sequence[str]) -> Sequence[str]:
        """Return the names of the active models, without a connection only configured ones.

        Raises:
            APIError: the service refused, or could not be reached and no model is configured.
        """
        try:
            return [model.id for model in self.list().data if model.active is not False]
        except APIConnectionError as error:
            if not configured:
                raise
            _log.warning("only configured models are listed: %s", error)
            return configured

    def prices(self) -> dict[str, Prices]:
        """Return the prices that the service tells, by model; none if it cannot be asked."""
        from ..plan import told_prices  # hardly ever needed

        try:
            return told_prices(self.list().data)
        except APIError as error:
            _log.warning("prices are not known: %s", error)
            return {}

    def _requests(self) -> Iterator[APIRequest]:
        """Yield one for every account that is configured; where no model is, for the client's."""
        from ..api_client import APIRequest  # there, as soon as there is a client

        config = self._config()
        accounts = {(model.base_url, model.api_key): None for model in config.models.values()}
        for base_url, api_key in accounts or {(config.base_url, config.api_key): None}:
            yield APIRequest("GET", "/models", base_url=base_url, api_key=api_key)
