"""Where bucket levels live. One contract (:mod:`.base`); in memory so far (:mod:`.memory`)."""

from .base import BucketState, Decision, Store
from .memory import MemoryStore

__all__ = ["BucketState", "Decision", "MemoryStore", "Store"]
