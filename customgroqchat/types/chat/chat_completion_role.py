"""Who can speak in a conversation."""

from __future__ import annotations

from typing import Literal, TypeAlias

#: Who speaks.
ChatCompletionRole: TypeAlias = Literal["system", "user", "assistant", "tool", "function"]
