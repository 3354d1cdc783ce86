"""Streams, where the official SDK has them."""

from .streaming import Stream as Stream
