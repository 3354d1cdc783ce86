"""How the batches of a run come into being: what they need of the client, and their creation."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from ._batch_lines import CHAT, InputFile
from ._clock import Clock
from ._retry import may_have_begun
from ._text import shown
from ._validation import check_callback
from .exceptions import APIError, APIResponseValidationError, GroqError, InvalidRequestException
from .types.batch import Batch

_log = logging.getLogger(__name__)


class Files(Protocol):
    """What a run needs of ``client.files``."""

    def create(self, *, file: Any, purpose: Any) -> Any:
        """Upload a file."""

    def content(self, file_id: str) -> Any:
        """Download a file."""

    def delete(self, file_id: str) -> Any:
        """Delete a file."""


class Batches(Protocol):
    """What a run needs of ``client.batches``; ``create`` takes ``metadata`` as well."""

    create: Callable[..., Any]

    def retrieve(self, batch_id: str) -> Any:
        """Ask how far a batch has come."""

    def cancel(self, batch_id: str) -> Any:
        """End a batch."""

    def list(self) -> Any:
        """List the latest batches."""


class Service(NamedTuple):
    """Where batches are run."""

    files: Files
    batches: Any  # has what Batches has; a resource may have more, and other names for arguments
    clock: Clock


class BatchProgress(NamedTuple):
    """How far a run has come.

    Attributes:
        total: How many requests there are, as far as that is known.
        completed: How many have an answer, as the service counts.
        failed: How many have failed, as the service counts.
        batches: How many batches there are, by status.
        elapsed_s: Seconds since the run began, or was resumed.
    """

    total: int
    completed: int
    failed: int
    batches: Mapping[str, int]
    elapsed_s: float


@dataclass(frozen=True)
class RunOptions:
    """How a run is carried out; what each means, :meth:`RunsBatches.run` says."""

    endpoint: str = CHAT
    completion_window: str = "24h"
    metadata: Mapping[str, str] | None = None
    poll_interval_s: float = 2.0
    longest_poll_interval_s: float = 60.0
    on_started: Callable[[tuple[str, ...]], object] | None = None
    on_progress: Callable[[BatchProgress], object] | None = None
    cancel_on_interrupt: bool = False
    delete_files: bool = False

    def check(self) -> None:
        """Check what the service is not asked about.

        Raises:
            InvalidRequestException: something of it is wrong.
        """
        check_callback(self.on_started)
        check_callback(self.on_progress)
        if not 0 < self.poll_interval_s <= self.longest_poll_interval_s:
            raise InvalidRequestException(
                f"poll_interval_s cannot be {shown(self.poll_interval_s)}.",
                field="poll_interval_s",
                value=shown(self.poll_interval_s),
                hint="Give seconds, more than 0 and no more than longest_poll_interval_s.",
            )


def begin_batch(service: Service, options: RunOptions, number: int, file: InputFile) -> Batch:
    """Upload a file of requests, and create its batch.

    Raises:
        APIError: the service could not be reached, or refused.
    """
    named = (f"requests-{number:05d}.jsonl", file.content, "application/jsonl")
    uploaded = _id_of(service.files.create(file=named, purpose="batch"))
    batch = _created(service, options, uploaded)
    _log.info("batch %s has %d requests, in %s", batch.id, len(file.custom_ids), uploaded)
    return batch


def _created(service: Service, options: RunOptions, input_file_id: str) -> Batch:
    metadata = {} if options.metadata is None else {"metadata": dict(options.metadata)}
    try:
        batch: Batch = service.batches.create(
            input_file_id=input_file_id,
            endpoint=options.endpoint,
            completion_window=options.completion_window,
            **metadata,
        )
        _id_of(batch)
    except APIError as error:
        if not may_have_begun(error):
            delete_file(service.files, input_file_id)
            raise
        found = _found(service, input_file_id)  # or the requests would be run, and paid, twice
        if found is None:
            raise
        return found
    return batch


def _found(service: Service, input_file_id: str) -> Batch | None:
    """Return the batch of a file, after its creation was not confirmed."""
    with contextlib.suppress(GroqError):
        for batch in service.batches.list().data or ():
            if batch.get("input_file_id") == input_file_id:
                return Batch.wrap(batch)
    return None


def _id_of(answer: Any) -> str:
    if isinstance(answer.id, str):
        return answer.id
    raise APIResponseValidationError(
        f"What was created has no id: {shown(answer)}.",
        hint="Something between here and the service answers in its place; check base_url.",
    )


def delete_file(files: Files, file_id: str) -> None:
    """Delete a file from the service; that it cannot be is logged and not raised."""
    try:
        files.delete(file_id)
    except GroqError as error:
        _log.warning("the file %s cannot be deleted: %s", file_id, error)
