"""What is in the ``error`` of an answer."""

from __future__ import annotations

from ..._objects import APIObject


class Debug(APIObject):
    """The tokens of prompt and answer, as ids and as texts; told if ``debug`` was asked for."""

    input_token_ids: list[int] | None
    input_tokens: list[str] | None
    output_token_ids: list[int] | None
    output_tokens: list[str] | None


class ErrorObject(APIObject):
    """What the service says of a request that failed.

    ``failed_generation`` is what the model wrote, where that was the fault; ``schema_...`` tell
    where a JSON schema was not followed.
    """

    message: str
    type: str
    code: str | None
    param: str | None
    failed_generation: str | None
    schema_code: str | None
    schema_kind: str | None
    schema_path: str | None
    schema_path_segments: list[str] | None
    debug: Debug | None
