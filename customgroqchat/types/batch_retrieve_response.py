"""``BatchRetrieveResponse``, where the official SDK has it."""

from .batch import BatchRetrieveResponse as BatchRetrieveResponse
