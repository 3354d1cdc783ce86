"""Which models there are, and what the service tells of them."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

from .._objects import APIAnswer, APIObject


class ModelPricing(APIObject):
    """What a model costs: strings of decimal digits, in US dollars for one token."""

    prompt: str | None
    completion: str | None
    image: str | None
    request: str | None
    input_cache_read: str | None


class Model(APIAnswer):
    """What the service says of one model. Not every deployment tells all of it."""

    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    active: bool | None
    context_window: int | None
    max_completion_tokens: int | None
    name: str | None
    input_modalities: list[str] | None
    output_modalities: list[str] | None
    supported_features: list[str] | None
    supported_sampling_parameters: list[str] | None
    pricing: ModelPricing | None
    context_length: int | None
    max_output_length: int | None
    hugging_face_id: str | None
    public_apps: Any


class ModelListResponse(APIAnswer):
    """The models that the key may use, in ``data``."""

    object: Literal["list"]
    data: list[Model]


class ModelDeleted(APIAnswer):
    """That a model is gone."""

    id: str
    object: str
    deleted: bool


#: The same by a shorter name.
ModelList: TypeAlias = ModelListResponse
