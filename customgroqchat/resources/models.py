"""``client.models``: which models the key may use, and what is known of them."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, cast

from .._caller import Caller, Form
from .._model_catalog import ModelCatalog
from ..exceptions import APIConnectionError, APIError
from ..types.model import Model, ModelDeleted, ModelList
from ._resource import DirectOptions, Resource, lazy, path_with, raw

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ..model_facts import ModelFacts
    from ..plan import Prices

_log = logging.getLogger(__name__)


class Models(Resource):
    """What ``client.models`` is.

    Nothing of it is queued, since it counts for no limit. Unless they say otherwise, methods block
    for one request, and may be called from any thread; they raise InvalidRequestException for an
    empty name, and APIError if the service refused or could not be reached.
    """

    def __init__(
        self, caller: Caller, form: Form = Form.PARSED, catalog: ModelCatalog | None = None
    ) -> None:
        super().__init__(caller, form)
        self._catalog = catalog or ModelCatalog()

    def _as(self, form: Form) -> Models:
        return Models(self._caller, form, self._catalog)

    def list(self, **options: Unpack[DirectOptions]) -> ModelList:
        """Return the models, with context windows and, where told, prices.

        Blocks for one request to each account that is configured, as a rule one. What it says is
        remembered, for :meth:`facts` and for checking requests.
        """
        if self._form is not Form.PARSED:
            return cast(ModelList, self._direct("GET", "/models", ModelList.wrap, options))
        lists = [
            self._direct("GET", "/models", ModelList.wrap, options, **account)
            for account in self._accounts()
        ]
        served = {model["id"]: model for found in lists for model in _named(found)}
        self._catalog.learn(served.values())
        return ModelList({**lists[0], "data": list(served.values())}).note(lists[0]._facts)

    def retrieve(self, model: str, **options: Unpack[DirectOptions]) -> Model:
        """Return what the service says of a model."""
        path = path_with("/models", "model", model)
        found = self._direct("GET", path, Model.wrap, options)
        if self._form is Form.PARSED:
            self._catalog.learn_one(found)
        return cast(Model, found)

    def delete(self, model: str, **options: Unpack[DirectOptions]) -> ModelDeleted:
        """Delete a model of one's own."""
        path = path_with("/models", "model", model)
        return cast(ModelDeleted, self._direct("DELETE", path, ModelDeleted.wrap, options))

    def facts(self, model: str, *, refresh: bool | None = None) -> ModelFacts:
        """Return what is known of a model: sizes, prices, features, and whether it still exists.

        What the configuration says wins over what the service told last, and that over what was
        published when this package was made.

        Args:
            model: The model's name.
            refresh: True asks the service now; False does not, and does not block. By default it
                is asked if that was not done within an hour, and if it cannot be, what is known
                will do.

        Raises:
            APIError: ``refresh`` is true, and the service could not be reached or refused.
        """
        if refresh:
            self.list()
        elif refresh is None:
            self._catalog.refresh(lambda: self.list().data or ())
        return self._catalog.facts(model)

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

    @property
    def with_raw_response(self) -> ModelsWithRawResponse:
        """The same, with HTTP around the answers."""
        return ModelsWithRawResponse(self)

    @property
    def with_streaming_response(self) -> ModelsWithStreamingResponse:
        """The same, with answers that are read when they are asked for."""
        return ModelsWithStreamingResponse(self)

    def _accounts(self) -> Iterator[dict[str, Any]]:
        """Yield address and key of every account that is configured; if none is, the client's."""
        config, own = self._caller.config(), self._caller.defaults.options
        if own.get("api_key") or own.get("base_url") or not config.models:
            yield {}
            return
        found = {(model.base_url, model.api_key): None for model in config.models.values()}
        for base_url, api_key in found:
            yield {"base_url": base_url, "api_key": api_key}


def _named(found: ModelList) -> list[Model]:
    """Return the models of a list that have a name."""
    models = found.data if isinstance(found.data, list) else []
    return [m for m in models if isinstance(m, Model) and isinstance(m.get("id"), str)]


class ModelsWithRawResponse:
    """``client.models.with_raw_response``."""

    def __init__(self, models: Models) -> None:
        self.list = raw(models.list)
        self.retrieve = raw(models.retrieve)
        self.delete = raw(models.delete)


class ModelsWithStreamingResponse:
    """``client.models.with_streaming_response``."""

    def __init__(self, models: Models) -> None:
        self.list = lazy(models.list)
        self.retrieve = lazy(models.retrieve)
        self.delete = lazy(models.delete)
