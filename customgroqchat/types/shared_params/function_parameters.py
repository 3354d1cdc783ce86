"""``FunctionParameters``, where the official SDK has it."""

from .function_definition import FunctionParameters as FunctionParameters
