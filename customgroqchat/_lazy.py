"""Packages whose parts are loaded when they are asked for: who only imports need not wait."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import Any

Exports = tuple[list[str], Callable[[str], Any], Callable[[], list[str]]]


def lazy_exports(package: str, table: Mapping[str, str]) -> Exports:
    """Return ``__all__``, ``__getattr__`` and ``__dir__`` of a package.

    Args:
        package: Its name.
        table: By module of it, the names that the package exports from there, with spaces between.
            The modules are attributes of the package as well.
    """
    homes = {name: module for module, names in table.items() for name in names.split()}

    def load(name: str) -> Any:
        if name in table:
            return importlib.import_module(f".{name}", package)
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        part = getattr(load(homes[name]), name)
        setattr(sys.modules[package], name, part)  # asked for only once
        return part

    def names() -> list[str]:
        return sorted({*vars(sys.modules[package]), *table, *homes})

    return sorted(homes), load, names
