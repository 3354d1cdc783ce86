"""Loading frameworks that may not be there."""

from __future__ import annotations

import importlib
import warnings
from typing import Any

import pytest


def imported(name: str) -> Any:
    """Return a framework; its warnings while it is loaded are its own affair."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module(name)
        except ImportError:
            return pytest.skip(f"{name} is not installed", allow_module_level=True)
