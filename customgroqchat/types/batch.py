"""Batches of requests, which the service works off when it has the time."""

from __future__ import annotations

from typing import Literal, TypeAlias

from .._objects import APIAnswer, APIObject


class BatchError(APIObject):
    """What is wrong with the file of a batch; ``line`` is the line of the file."""

    code: str | None
    line: int | None
    message: str | None
    param: str | None


class BatchErrors(APIObject):
    """What is wrong with the file of a batch, in ``data``."""

    object: str | None
    data: list[BatchError] | None


class BatchRequestCounts(APIObject):
    """How far a batch has come, in requests."""

    total: int
    completed: int
    failed: int


class Batch(APIAnswer):
    """A batch. All times (``..._at``) are seconds since 1970."""

    id: str
    object: Literal["batch"]
    endpoint: str
    input_file_id: str
    completion_window: str
    status: Literal[
        "validating",
        "failed",
        "in_progress",
        "finalizing",
        "completed",
        "expired",
        "cancelling",
        "cancelled",
    ]
    output_file_id: str | None
    error_file_id: str | None
    errors: BatchErrors | None
    request_counts: BatchRequestCounts | None
    metadata: dict[str, str] | None
    project_id: str | None
    created_at: int
    in_progress_at: int | None
    finalizing_at: int | None
    completed_at: int | None
    failed_at: int | None
    expires_at: int | None
    expired_at: int | None
    cancelling_at: int | None
    cancelled_at: int | None


class Paging(APIObject):
    """Where a list goes on: the ``cursor`` to ask for its next page with, or None at its end."""

    next_cursor: str | None


class BatchListResponse(APIAnswer):
    """Batches of the account, in ``data``."""

    object: Literal["list"]
    data: list[Batch]
    paging: Paging | None


# The official SDK has a name for each occasion.
BatchCreateResponse: TypeAlias = Batch
BatchRetrieveResponse: TypeAlias = Batch
BatchCancelResponse: TypeAlias = Batch
