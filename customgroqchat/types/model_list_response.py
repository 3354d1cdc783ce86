"""``ModelListResponse``, where the official SDK has it."""

from .model import ModelListResponse as ModelListResponse
