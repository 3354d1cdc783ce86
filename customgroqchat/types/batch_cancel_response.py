"""``BatchCancelResponse``, where the official SDK has it."""

from .batch import BatchCancelResponse as BatchCancelResponse
