"""Defaults, where the official SDK has them."""

from ._official import DEFAULT_CONNECTION_LIMITS as DEFAULT_CONNECTION_LIMITS
from ._official import DEFAULT_MAX_RETRIES as DEFAULT_MAX_RETRIES
from ._official import DEFAULT_TIMEOUT as DEFAULT_TIMEOUT
