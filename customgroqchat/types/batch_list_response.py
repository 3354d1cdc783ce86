"""``BatchListResponse``, where the official SDK has it."""

from .batch import BatchListResponse as BatchListResponse
