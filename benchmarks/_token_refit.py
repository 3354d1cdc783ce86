"""The table of templates, fitted anew without the prompt that it is then tried on.

The constants of the templates were read off the recordings that they are scored on. So for each
recorded prompt they are fitted here to all others of its family, by least squares, and that table
has to guess it. What only one prompt can tell is then missing: an error larger than that for a new
prompt of a usual kind, where the table's own error is smaller.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from customgroqchat._token_families import Family
from customgroqchat._token_payload import read_requests
from customgroqchat._token_request import Measure, Request, compact_json, is_system

# Enough to make every system solvable, and little enough to change no coefficient that is known.
_RIDGE = 1e-10


class Sample(NamedTuple):
    """A recorded prompt: its text in tokens, what its template may add, and what it cost."""

    prompt: str
    text: float
    features: tuple[float, ...]
    truth: int


def sample(
    payload: Mapping[str, object], prompt: str, truth: int, family: Family, measure: Measure
) -> Sample:
    """Take a recorded payload apart."""
    request = read_requests(payload)[0]
    text = _text(request, family, measure)
    return Sample(prompt, text, _features(request, family, measure), truth)


def _text(request: Request, family: Family, measure: Measure) -> float:
    if family.renders_tools:  # tools and calls are text as well
        return family.count(request, measure) - family.count(request, lambda _: 0)
    return sum(family.count_text(m.content.text.strip(), measure) for m in request.messages)


def _features(request: Request, family: Family, measure: Measure) -> tuple[float, ...]:
    calls = [call for message in request.messages for call in message.calls]
    functions = [compact_json(function) for function in request.functions]
    rendered = family.renders_tools
    return (
        1.0,
        len(request.messages),
        any(map(is_system, request.messages)),
        sum(message.role == "assistant" for message in request.messages),
        bool(functions),
        0 if rendered else sum(map(measure, functions)),
        len(calls),
        0 if rendered else sum(measure(call.name + call.arguments) for call in calls),
        request.schema_type == "json_object",
        request.schema_type == "json_schema",
        request.tool_choice == "none" and bool(functions),
        request.reasoning_effort == "none",
    )


def leave_one_out(samples: Sequence[Sample]) -> list[float]:
    """Return the relative error of each sample by a table made without its prompt."""
    return [
        abs(_predicted(one, [other for other in samples if other.prompt != one.prompt]) - one.truth)
        / one.truth
        for one in samples
    ]


def _predicted(one: Sample, others: Sequence[Sample]) -> float:
    coefficients = _fitted(others, len(one.features))
    return one.text + sum(c * f for c, f in zip(coefficients, one.features, strict=True))


def _fitted(samples: Sequence[Sample], size: int) -> list[float]:
    """Least squares of relative errors, by the normal equations."""
    matrix = [[_RIDGE * (row == column) for column in range(size + 1)] for row in range(size)]
    for one in samples:
        scaled = [feature / one.truth for feature in one.features]
        target = (one.truth - one.text) / one.truth
        for row, weight in zip(matrix, scaled, strict=True):
            for column, value in enumerate([*scaled, target]):
                row[column] += weight * value
    return _solved(matrix)


def _solved(matrix: list[list[float]]) -> list[float]:
    """Solve a system, given with its right side as the last column, by elimination."""
    size = len(matrix)
    for pivot in range(size):
        best = max(range(pivot, size), key=lambda row: abs(matrix[row][pivot]))
        matrix[pivot], matrix[best] = matrix[best], matrix[pivot]
        for row in range(size):
            if row != pivot:
                factor = matrix[row][pivot] / matrix[pivot][pivot]
                matrix[row] = [
                    a - factor * b for a, b in zip(matrix[row], matrix[pivot], strict=True)
                ]
    return [matrix[row][size] / matrix[row][row] for row in range(size)]
