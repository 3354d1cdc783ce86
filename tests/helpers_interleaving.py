"""Two things at once, in every order there is, without threads and without chance."""

from __future__ import annotations

import contextlib
import itertools
import sys
from collections.abc import Callable, Iterator
from types import CodeType, FrameType
from typing import Any


@contextlib.contextmanager
def called_before_instruction(
    number: int, function: Callable[[], object], inside: Callable[[CodeType], bool]
) -> Iterator[list[int]]:
    """Call something before one instruction, counted in this thread and in certain code only.

    In that code, no lock may be held that the call needs. Yields a list that has an entry if there
    was such an instruction.
    """
    instructions = itertools.count()
    calls: list[int] = []

    def trace(frame: FrameType, event: str, _: object) -> Any:
        if not inside(frame.f_code):
            return None
        frame.f_trace_opcodes = True
        if event == "opcode" and next(instructions) == number:
            calls.append(number)
            function()
        return trace

    tracer = sys.gettrace()
    sys._getframe().f_trace_opcodes = True  # 3.12 looks whether any frame has it, and only here
    sys.settrace(trace)
    try:
        yield calls
    finally:
        sys.settrace(tracer)
