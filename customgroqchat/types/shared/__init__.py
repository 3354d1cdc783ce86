"""What several parts of the service have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .error_object import ErrorObject as ErrorObject
    from .function_definition import FunctionDefinition as FunctionDefinition
    from .function_definition import FunctionParameters as FunctionParameters
else:
    from ..._lazy import lazy_exports

    __all__, __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "error_object": "ErrorObject",
            "function_definition": "FunctionDefinition FunctionParameters",
        },
    )
