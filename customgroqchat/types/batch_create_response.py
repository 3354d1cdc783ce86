"""``BatchCreateResponse``, where the official SDK has it."""

from .batch import BatchCreateResponse as BatchCreateResponse
