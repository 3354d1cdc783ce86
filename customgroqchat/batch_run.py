"""Many requests through the service's batches: split, upload, wait, download, put in order.

A batch costs less than single calls and takes nothing of their limits, but it takes its time.
"""

from __future__ import annotations

import contextlib
import logging
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ._batch_lines import InputFile
from ._batch_results import ENDED, BatchResult, Lines, check_all_known, joined, names_in
from ._batch_start import BatchProgress, RunOptions, Service, begin_batch, delete_file
from ._clock import Signal
from ._futures import longest_sleep_s
from ._retry import is_retryable
from ._surroundings import warn_if_in_event_loop
from ._validation import check_deadline
from .exceptions import (
    APIError,
    APIStatusError,
    APITimeoutError,
    GroqError,
    InvalidRequestException,
    NotFoundError,
)
from .types.batch import Batch

__all__ = ["BatchProgress", "BatchResult", "BatchRun"]

_log = logging.getLogger(__name__)

_GROWTH = 1.5
_JITTER = 0.25


@dataclass
class _Part:
    """One batch of a run, the names of its requests, if known, and whether its files are there."""

    batch: Batch
    custom_ids: Collection[str] | None = None
    is_readable: bool = True

    @property
    def has_ended(self) -> bool:
        return self.batch.status in ENDED

    @property
    def size(self) -> int:
        return self.counted("total") if self.custom_ids is None else len(self.custom_ids)

    def counted(self, what: str) -> int:
        counts: Mapping[str, Any] = self.batch.request_counts or {}
        return int(counts.get(what) or 0)


class BatchRun:
    """The batches that requests were put in. Iterating gives a :class:`BatchResult` for each.

    Results come in the order of the requests, none is missing, and errors are among them, not
    raised. Iterating waits until all batches have ended, then downloads the results of one batch
    at a time; it may be repeated, as long as the service keeps the files (30 days). A run belongs
    to one thread at a time.

    An error that ends waiting or reading early has ``batch_ids``, as has ``KeyboardInterrupt``:
    with them, ``client.batches.resume()`` goes on, in another process as well.
    """

    def __init__(self, service: Service, options: RunOptions) -> None:
        self._service = service
        self._options = options
        self._parts: list[_Part] = []
        self._began_s = service.clock.monotonic()

    @property
    def ids(self) -> tuple[str, ...]:
        """The names of the batches, in the order of the requests: what a run is resumed by."""
        return tuple(part.batch.id for part in self._parts)

    @property
    def batches(self) -> tuple[Batch, ...]:
        """The batches as the service last told of them."""
        return tuple(part.batch for part in self._parts)

    @property
    def done(self) -> bool:
        """Whether all batches had ended when the service was asked last."""
        return all(part.has_ended for part in self._parts)

    @property
    def progress(self) -> BatchProgress:
        """How far the run had come when the service was asked last."""
        return BatchProgress(
            total=len(self),
            completed=sum(part.counted("completed") for part in self._parts),
            failed=sum(part.counted("failed") for part in self._parts),
            batches=dict(Counter(part.batch.status or "unknown" for part in self._parts)),
            elapsed_s=self._service.clock.monotonic() - self._began_s,
        )

    def __len__(self) -> int:
        """Return how many requests there are, as far as that is known."""
        return sum(part.size for part in self._parts)

    def __bool__(self) -> bool:
        return True  # also without requests

    def __repr__(self) -> str:
        total, completed, failed, batches, _ = self.progress
        states = ", ".join(f"{count} {status}" for status, count in batches.items()) or "none"
        return (
            f"<BatchRun of {total} requests: {completed} completed, {failed} failed; "
            f"batches: {states}>"
        )

    # --- beginning ---------------------------------------------------------------------------

    def start(self, files: Iterable[InputFile], ids: Sequence[str]) -> BatchRun:
        """Put files of requests in batches; the first ones are in these batches already."""
        with self._telling_ids():
            for number, file in enumerate(files):
                if number < len(ids):
                    self._parts.append(_Part(_unseen(ids[number]), file.custom_ids))
                else:
                    batch = begin_batch(self._service, self._options, number, file)
                    self._parts.append(_Part(batch, file.custom_ids))
                    self._tell_started()
        if len(ids) > len(self._parts):
            raise _too_many_ids(len(ids), len(self._parts))
        return self

    def _tell_started(self) -> None:
        if self._options.on_started is not None:
            self._options.on_started(self.ids)

    def attach(self, ids: Iterable[str]) -> BatchRun:
        """Take over batches, of whose requests nothing is known."""
        self._parts += [_Part(_unseen(batch_id)) for batch_id in ids]
        return self

    # --- waiting -----------------------------------------------------------------------------

    def wait(self, deadline: float | None = None) -> BatchRun:
        """Block until all batches have ended; returns the run.

        The service is asked at growing intervals. That it cannot be reached, or fails, ends
        nothing: it is asked again.

        Args:
            deadline: Seconds after which to give up; None waits for as long as it takes.

        Raises:
            InvalidRequestException: the deadline is no number of seconds.
            APITimeoutError: the batches did not end within the deadline; they go on.
            APIStatusError: the service refused to tell: the key is wrong, or a batch is gone.
        """
        check_deadline(deadline)
        now = self._service.clock.monotonic()
        self.wait_until(None if deadline is None else now + deadline)
        return self

    def refresh(self) -> BatchProgress:
        """Ask the service once how far each batch has come that had not ended.

        Blocks for one request for each of them.

        Raises:
            APIError: the service could not be reached, or refused.
        """
        with self._telling_ids():
            self._ask()
        return self.progress

    def wait_until(self, end_s: float | None) -> None:
        """Like :meth:`wait`, but with an instant of the clock instead of a deadline."""
        warn_if_in_event_loop()
        clock, interval_s = self._service.clock, self._options.poll_interval_s
        with self._telling_ids():
            pause_s = self._poll()
            while not self.done:
                jitter = 1.0 - _JITTER * clock.random()
                self._sleep(max(pause_s, interval_s * jitter), end_s)
                pause_s = self._poll()
                if end_s is not None and clock.monotonic() >= end_s and not self.done:
                    raise self._too_late()
                interval_s = min(interval_s * _GROWTH, self._options.longest_poll_interval_s)

    def _poll(self) -> float:
        """Ask how the batches are; return how many seconds the service wants to be left alone."""
        try:
            self._ask()
        except APIError as error:
            if not is_retryable(error):
                raise
            _log.warning("how the batches are cannot be told: %s", error)
            return error.retry_after or 0.0
        return 0.0

    def _ask(self) -> None:
        for part in self._pending():
            part.batch = self._service.batches.retrieve(part.batch.id)
        if self._options.on_progress is not None:
            self._options.on_progress(self.progress)

    def _pending(self) -> list[_Part]:
        return [part for part in self._parts if not part.has_ended]

    def _sleep(self, pause_s: float, end_s: float | None) -> None:
        clock = self._service.clock
        signal, until_s = Signal(clock), clock.monotonic() + pause_s
        until_s = until_s if end_s is None else min(until_s, end_s)
        while (left_s := until_s - clock.monotonic()) > 0:
            signal.wait(min(left_s, longest_sleep_s() or left_s))

    def _too_late(self) -> APITimeoutError:
        total, completed, failed, batches, _ = self.progress
        states = ", ".join(f"{count} {status}" for status, count in batches.items())
        return APITimeoutError(
            f"The batches did not end within the deadline ({states}). Of {total} requests, "
            f"{completed} are completed and {failed} have failed."
        )

    # --- results -----------------------------------------------------------------------------

    def __iter__(self) -> Iterator[BatchResult]:
        self.wait()
        position = 0
        for part in self._parts:
            with self._telling_ids():
                results = self._results_of(part, position)
            for result in results:
                yield result
                position += 1
        if self._options.delete_files:
            self._delete_what_was_read()

    def _results_of(self, part: _Part, first: int) -> Iterator[BatchResult]:
        batch, lines = part.batch, Lines()
        for file_id in (batch.output_file_id, batch.error_file_id):
            if file_id:  # where there is none, it is null or an empty object
                self._add_file(lines, file_id)
        part.is_readable = not lines.faults
        if part.custom_ids is None:
            part.custom_ids = self._names_in_input(part.batch, lines)
        else:
            check_all_known(part.custom_ids, lines, batch.id)
        return joined(part.custom_ids, first, lines, batch)

    def _add_file(self, lines: Lines, file_id: str) -> None:
        try:
            lines.add(self._download(file_id))
        except NotFoundError as error:  # also the other requests shall not be lost
            lines.faults.append(f"Its file {file_id} is gone: {error.message}.")

    def _names_in_input(self, batch: Batch, lines: Lines) -> Collection[str]:
        """Return the names of a batch's requests in order; if they are gone, those answered."""
        try:
            return names_in(self._download(batch.input_file_id))
        except APIStatusError as error:
            _log.warning("the requests of %s are not to be had: %s", batch.id, error)
            return lines.names()

    def _download(self, file_id: str) -> bytes:
        content: bytes = self._service.files.content(file_id).read()
        return content

    # --- ends --------------------------------------------------------------------------------

    def cancel(self) -> None:
        """Ask the service to end all batches; what is done by then is kept, and paid.

        Blocks for one request for each batch that has not ended. The batches end a little later:
        wait for them. What the service refuses, for instance because a batch has just ended, is
        logged and not raised.
        """
        for part in self._pending():
            try:
                part.batch = self._service.batches.cancel(part.batch.id)
            except GroqError as error:
                _log.warning("%s cannot be cancelled: %s", part.batch.id, error)

    def delete_files(self) -> None:
        """Delete all files of the run from the service, its results among them.

        Blocks for one request for each file. What the service refuses is logged and not raised.
        """
        for batch in self.batches:
            self._delete_files_of(batch)

    def _delete_what_was_read(self) -> None:
        for part in self._parts:
            if part.is_readable:
                self._delete_files_of(part.batch)
            else:  # without the requests, nothing could be had again
                _log.warning("the files of %s are kept: not all could be read", part.batch.id)

    def _delete_files_of(self, batch: Batch) -> None:
        for file_id in (batch.input_file_id, batch.output_file_id, batch.error_file_id):
            if file_id:
                delete_file(self._service.files, file_id)

    @contextlib.contextmanager
    def _telling_ids(self) -> Iterator[None]:
        """Give whatever ends the run early the names of the batches, which go on."""
        try:
            yield
        except BaseException as error:
            if self.ids:
                self._note_ids(error)
                if self._options.cancel_on_interrupt:
                    self.cancel()
            raise

    def _note_ids(self, error: BaseException) -> None:
        state = "go on"
        if self.done:
            state = "have ended"
        elif self._options.cancel_on_interrupt:
            state = "are cancelled"
        hint = f"The batches {state}; client.batches.resume({list(self.ids)}) has their results."
        error.batch_ids = self.ids  # type: ignore[attr-defined]
        if isinstance(error, GroqError):
            error.hint = f"{error.hint} {hint}" if error.hint else hint
        _log.warning("a run of batches ends early (%s). %s", type(error).__name__, hint)


def _unseen(batch_id: str) -> Batch:
    return Batch({"id": batch_id})


def _too_many_ids(given: int, wanted: int) -> InvalidRequestException:
    return InvalidRequestException(
        f"{given} batches were given to resume, but these requests fill {wanted} files only.",
        field="resume",
        value=f"{given} ids",
        hint="Give the same requests as before; or the ids alone, to client.batches.resume().",
    )
