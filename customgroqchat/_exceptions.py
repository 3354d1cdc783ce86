"""The errors, where the official SDK has them."""

from .exceptions import *  # noqa: F403 - its __all__ is the list
from .exceptions import __all__ as __all__
