"""The base class of answers, where the official SDK has it."""

from ._objects import APIObject as BaseModel

__all__ = ["BaseModel"]
