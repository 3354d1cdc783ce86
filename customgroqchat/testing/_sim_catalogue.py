"""Serving the list of models."""

from __future__ import annotations

from dataclasses import dataclass

from ._sim_backend import Backend
from ._sim_http import Reply
from ._sim_routes import Call, Handler
from ._sim_validation import find_model
from ._sim_wire import to_json


@dataclass
class CatalogueService:
    """What answers requests under ``/models``."""

    backend: Backend

    def routes(self) -> dict[str, Handler]:
        """Its part of the table of routes."""
        return {
            "GET /models": self.list,
            "GET /models/{path}": self.retrieve,
            "DELETE /models/{path}": self.delete,
        }

    def list(self, _: Call) -> Reply:
        """All models that are offered."""
        models = list(self.backend.models.items())
        offered = [(n, model) for n, model in models if model.listed and model.status == "active"]
        data = [model.listing(name) for name, model in offered]
        return Reply(200, body=to_json({"object": "list", "data": data}))

    def retrieve(self, call: Call) -> Reply:
        """One of them; raises ApiError."""
        model = find_model(self.backend.models, call.identifier)
        return Reply(200, body=to_json(model.listing(call.identifier)))

    def delete(self, call: Call) -> Reply:
        """Forget a model; the service does so for one's own fine-tunes. Raises ApiError."""
        find_model(self.backend.models, call.identifier)
        del self.backend.models[call.identifier]
        deleted = {"id": call.identifier, "object": "model", "deleted": True}
        return Reply(200, body=to_json(deleted))
