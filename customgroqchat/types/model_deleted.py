"""``ModelDeleted``, where the official SDK has it."""

from .model import ModelDeleted as ModelDeleted
