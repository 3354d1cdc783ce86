"""What a batch is made from."""

from __future__ import annotations

from typing import Literal, TypedDict


class _Required(TypedDict):
    input_file_id: str
    endpoint: Literal["/v1/chat/completions"]
    completion_window: str


class BatchCreateParams(_Required, total=False):
    """A batch to be; ``completion_window`` is from ``"24h"`` to ``"7d"``."""

    metadata: dict[str, str] | None
