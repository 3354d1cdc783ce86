"""``run`` and ``resume`` of ``client.batches``: the life of batches in one call."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from ._batch_lines import CHAT, PUBLISHED_LIMITS, FileLimits, LineRules, input_files
from ._batch_start import BatchProgress, RunOptions, Service
from ._text import shown
from ._validation import check_deadline
from .batch_run import BatchRun
from .exceptions import InvalidRequestException


class RunsBatches:
    """What ``client.batches`` has for whole lots of requests; it has the single calls as well."""

    def _service(self) -> Service:
        """Return where the batches are run."""
        raise NotImplementedError

    def run(
        self,
        requests: Iterable[Mapping[str, Any]],
        *,
        endpoint: str = CHAT,
        completion_window: str = "24h",
        metadata: Mapping[str, str] | None = None,
        common: Mapping[str, Any] | None = None,
        resume: str | Sequence[str] | None = None,
        wait: bool = True,
        deadline: float | None = None,
        poll_interval_s: float = 2.0,
        longest_poll_interval_s: float = 60.0,
        on_started: Callable[[tuple[str, ...]], object] | None = None,
        on_progress: Callable[[BatchProgress], object] | None = None,
        cancel_on_interrupt: bool = False,
        delete_files: bool = False,
        max_lines: int = PUBLISHED_LIMITS.lines,
        max_bytes: int = PUBLISHED_LIMITS.size,
    ) -> BatchRun:
        """Run requests in batches: split, upload, create, wait; the run gives their results.

        Blocks until all batches have ended, which may take hours. From any thread.

        Args:
            requests: Mappings with the fields of a chat request and, if wanted, a ``custom_id``;
                or the lines of a batch file, which have a ``body``. Of an iterator, no more is
                held at a time than one file takes.
            endpoint: Where the service sends the requests.
            completion_window: How long the service may take: ``"24h"`` to ``"7d"``.
            metadata: Strings by name, which each batch is given.
            common: Fields that all requests have; those of a request win.
            resume: The names of batches that have the first of these requests already, as an
                earlier run told them. Only what is in none of them is uploaded.
            wait: Whether to wait; otherwise the run waits when its results are asked for.
            deadline: Seconds after which to give up waiting, counted from the call; None waits
                for as long as it takes. An upload that has begun is ended first.
            poll_interval_s: Seconds between the first two questions how far the batches are.
            longest_poll_interval_s: Seconds to which this grows.
            on_started: Called with the names of all batches so far, whenever one was created.
                Write them down, and a crash loses nothing.
            on_progress: Called with a :class:`BatchProgress` whenever the service was asked.
            cancel_on_interrupt: Whether what ends the run early (Ctrl-C, the deadline, an error)
                ends the batches as well. Otherwise they go on.
            delete_files: Whether all files are deleted once all results were read.
            max_lines: How many requests a file may have.
            max_bytes: How many bytes a file may have.

        Raises:
            InvalidRequestException: requests are wrong; each is named by its position. Nothing
                was uploaded, unless they come from an iterator that fills more than one file.
            APITimeoutError: the batches did not end within the deadline.
            APIError: the service could not be reached, or refused.
        """
        options = RunOptions(
            endpoint=endpoint,
            completion_window=completion_window,
            metadata=metadata,
            poll_interval_s=poll_interval_s,
            longest_poll_interval_s=longest_poll_interval_s,
            on_started=on_started,
            on_progress=on_progress,
            cancel_on_interrupt=cancel_on_interrupt,
            delete_files=delete_files,
        )
        run, end_s = self._new_run(options, deadline)
        rules = LineRules(endpoint, common or {}, FileLimits(max_lines, max_bytes))
        run.start(input_files(requests, rules), _checked_ids(resume) if resume else ())
        return _awaited(run, end_s, wait)

    def resume(
        self,
        ids: str | Sequence[str],
        *,
        wait: bool = True,
        deadline: float | None = None,
        poll_interval_s: float = 2.0,
        longest_poll_interval_s: float = 60.0,
        on_progress: Callable[[BatchProgress], object] | None = None,
        cancel_on_interrupt: bool = False,
        delete_files: bool = False,
    ) -> BatchRun:
        """Wait again for batches whose requests are not at hand; the run gives their results.

        The order of the results is that of the requests in the input files or, where these are
        gone, of the custom ids. Blocks until all batches have ended. From any thread.

        Args:
            ids: The names of the batches.
            wait: As for :meth:`run`, like all others.
            deadline: Seconds.
            poll_interval_s: Seconds.
            longest_poll_interval_s: Seconds.
            on_progress: A function of a :class:`BatchProgress`.
            cancel_on_interrupt: Whether an early end is the batches' end too.
            delete_files: Whether all files are deleted once all results were read.

        Raises:
            InvalidRequestException: there is no name of a batch.
            APITimeoutError: the batches did not end within the deadline.
            APIError: the service could not be reached, or refused.
        """
        options = RunOptions(
            poll_interval_s=poll_interval_s,
            longest_poll_interval_s=longest_poll_interval_s,
            on_progress=on_progress,
            cancel_on_interrupt=cancel_on_interrupt,
            delete_files=delete_files,
        )
        run, end_s = self._new_run(options, deadline)
        return _awaited(run.attach(_checked_ids(ids)), end_s, wait)

    def _new_run(
        self, options: RunOptions, deadline: float | None
    ) -> tuple[BatchRun, float | None]:
        """Return a run without batches, and when it has to have ended."""
        options.check()
        check_deadline(deadline)
        service = self._service()
        end_s = None if deadline is None else service.clock.monotonic() + deadline
        return BatchRun(service, options), end_s


def _awaited(run: BatchRun, end_s: float | None, wait: bool) -> BatchRun:
    if wait:
        run.wait_until(end_s)
    return run


def _checked_ids(ids: Any) -> tuple[str, ...]:
    found = (ids,) if isinstance(ids, str) else tuple(ids)
    if not found or not all(isinstance(name, str) and name for name in found):
        raise InvalidRequestException(
            f"The ids of batches cannot be {shown(ids)}.",
            field="ids",
            value=shown(ids),
            hint="Give the ids of a run, such as ['batch_01...'].",
        )
    return found
