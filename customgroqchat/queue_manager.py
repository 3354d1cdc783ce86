"""QueueManager: who goes next, and on which worker.

Jobs wait in lanes, one for each rate-limit scope, ordered by priority and age, and fairly among
tags. A single dispatcher looks at the head of every lane, asks *admit*, and hands what is admitted
to a free worker, which calls *run*. The manager knows neither limits nor HTTP: those are behind
the callables that it is given.
"""

from __future__ import annotations

import itertools
import logging
import math
import queue
import threading
from collections.abc import Callable, Hashable
from typing import Any

from . import _process
from ._clock import Clock, Signal
from ._fairness import Ahead, share_of
from ._lanes import Admission, Again, Job, RequestFuture, State, Wait
from ._ordering import rank
from ._queue_errors import (
    cancelled_error,
    closed_error,
    no_worker,
    queue_full,
    wait_too_long,
    waited_too_long,
)
from ._queue_status import lanes_status
from ._queue_threads import QueueThreads
from ._surroundings import threads_run
from ._waiting_room import WaitingRoom
from .exceptions import GroqError

__all__ = ["Admission", "Again", "Ahead", "QueueManager", "RequestFuture", "Wait"]

_log = logging.getLogger(__name__)
_LONGEST_UNWATCHED_S = 0.05

# Managers with waiting jobs are kept, although their client and futures may have been dropped:
# what was submitted is sent, and callbacks are called.
_busy: set[QueueManager] = set()


class QueueManager:
    """Lanes, one dispatcher and a pool of workers.

    Nothing starts before the first job. All methods may be called from any thread.

    Args:
        admit: Called with a job's work by the dispatcher; returns an admission or a
            :class:`Wait`. What it raises ends the job.
        run: Called with the work and its admission on a worker; returns the outcome, or
            :class:`Again`. What it raises ends the job.
        foresee: Called with the work and what goes before it; returns the shortest :class:`Wait`
            that it may hope for, in no time. By whoever submits it, who gets what it raises, and
            by the dispatcher, for the error of a job whose time is up.
        interrupt: Called with the work of a job that is cancelled while it runs, by whoever
            cancels it; has *run* end soon, whose outcome is not wanted any more.
        ended: Called with the work, the value and the error (or None) of each job that ends, once,
            before its future has the outcome.
        max_workers: How many jobs may run at once.
        max_queue: How many may wait at once; 0 is unlimited.
        ageing_s: Seconds after which a waiting job has gained one priority level; None keeps the
            order strict, and low priorities may wait for ever.
        clock: Where the time comes from.
    """

    def __init__(
        self,
        admit: Callable[[Any], Admission | Wait],
        run: Callable[[Any, Any], Any],
        foresee: Callable[[Any, Ahead], Wait] | None = None,
        interrupt: Callable[[Any], object] | None = None,
        ended: Callable[[Any, Any, BaseException | None], object] | None = None,
        *,
        max_workers: int = 16,
        max_queue: int = 10_000,
        ageing_s: float | None = 300.0,
        clock: Clock | None = None,
    ) -> None:
        self._admit = admit
        self._run = run
        self._foresee = foresee
        self._interrupt = interrupt
        self._ended = ended
        self._max_workers = max_workers
        self._max_queue = max_queue
        self._ageing_s = ageing_s
        self._clock = clock or Clock()
        self._serials = itertools.count(1)  # to tell apart who is of the same rank
        self._numbers = itertools.count(1)  # for those outside
        self.closed = False  # for the dispatcher's thread; guarded by the lock
        self._reset()
        _process.on_fork(self)
        _process.on_exit(self)

    def _reset(self) -> None:
        """Become as new: nothing queued, no thread."""
        self._lock = threading.Lock()  # guards all below; nothing foreign is called under it
        self._room = threading.Condition(self._lock)
        self._idle = threading.Condition(self._lock)
        self._waiting = WaitingRoom()
        self._running: set[Job] = set()
        self._telling = 0  # jobs that do not run any more, and whose outcome is being told
        self._soon: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._threads = QueueThreads()
        self._stepping = threading.Lock()
        self._sleeps_until: float | None = None  # the dispatcher; guarded by _stepping
        self._changed = Signal(self._clock)

    # --- for callers ----------------------------------------------------------------------

    def submit(
        self,
        work: Any,
        lane: Hashable,
        level: int,
        *,
        max_wait_s: float | None = None,
        wait_for_room: bool | None = None,
        tag: str | None = None,
        tokens: float = 1.0,
        weight: float = 1.0,
        bound: str = "max_wait",
        model: str | None = None,
        number: int | None = None,
        born_s: float | None = None,
        delay_s: float = 0.0,
    ) -> RequestFuture:
        """Queue a job.

        Blocks only while the queue is full, and only if told to wait for room.

        Args:
            work: What *admit* and *run* shall be given.
            lane: The scope that it belongs to.
            level: Its priority; smaller is sooner.
            max_wait_s: Seconds after which, if it was not admitted, it ends with
                RateLimitExceededException; None waits as long as it takes. If *foresee* says that
                it will be longer, the future that is returned has ended so already.
            wait_for_room: Whether to wait for room in a full queue, at most ``max_wait_s``
                seconds, or to raise at once. By default it waits if a ``max_wait_s`` is given.
            tag: With whom it shares its turn; kept on the future, and a handle for :meth:`cancel`.
            tokens: What it will probably cost; less than 1 counts as 1.
            weight: The share of its tag among those of its lane and level: with 3, it is served
                three times as many tokens as one with 1. The newest counts for all of the tag.
            bound: What the caller calls ``max_wait_s``, for the errors of this manager.
            model: What they shall name as the model, if there is one.
            number: Its number, from :meth:`next_number`; a new one by default.
            born_s: Since when it waits, by the monotonic clock, for one that was here before.
            delay_s: Seconds before which it shall not be tried.

        Raises:
            QueueFullException: the queue is full.
            ClientClosedException: the manager is closed.
            InvalidRequestException: the tokens or the weight are no such number.
        """
        _process.notice_fork()
        share = share_of(tag, tokens, weight)
        now = self._clock.monotonic()
        born_s = now if born_s is None else born_s
        serial = next(self._serials)
        with self._lock:
            found = self._waiting.lane_named(lane)
        job = Job(work, found, level, born_s, serial, share, model)
        job.future = RequestFuture(job, self._cancel, self._abandon, self._drive)
        job.future.request_id = self.next_number() if number is None else number
        job.rank = rank(level, born_s, self._ageing_s)
        job.bound = bound
        if max_wait_s is not None:
            job.give_up_s = now + max_wait_s
            if self._refused_at_once(job, max_wait_s):
                return job.future
        waits = max_wait_s is not None if wait_for_room is None else wait_for_room
        return self._queue(job, job.give_up_s if waits else now, now + delay_s)

    def next_number(self) -> int:
        """Return a number for a job, larger than all before."""
        return next(self._numbers)

    def ahead(self, lane: Hashable, level: int, tag: str | None = None) -> Ahead:
        """Return what goes before a job that is submitted now: at least so much, and about.

        That is what waits in this lane at this level or a smaller one; of other tags at this
        level only as much as their weights let go first. Does not block.
        """
        with self._lock:
            return self._waiting.ahead_of(lane, level, tag)

    def cancel(self, *, request_id: int | None = None, tag: str | None = None) -> int:
        """Cancel the jobs with this number or tag, those that run as well; return how many."""
        with self._lock:
            running = [job for job in self._running if job.state is not State.CANCELLED]
            jobs = [*self._waiting.jobs(), *running]
        return sum(
            job.future.cancel()
            for job in jobs
            if job.future.request_id == request_id or (tag is not None and job.share.tag == tag)
        )

    def look_again(self) -> None:
        """Ask for the admission of waiting jobs anew, for what they wait for has changed."""
        self._changed.give()

    def soon(self, function: Callable[[], object]) -> None:
        """Have the dispatcher call a function that does not block for long.

        At any point, even by the garbage collector on a thread that holds the lock: it takes none.
        """
        _busy.add(self)  # until it is done
        self._soon.put(function)
        self._changed.give()

    def status(self) -> dict[str, Any]:
        """Return what is queued and running, and what the head of each lane waits for.

        ``lanes`` has an entry for each lane, under its name; see :func:`lanes_status`.
        """
        now = self._clock.monotonic()
        with self._lock:
            waiting = self._waiting.jobs()
            running = list(self._running)
            lanes = list(self._waiting.lanes.values())
        return {
            "queued": len(waiting),
            "in_flight": len(running),
            "max_workers": self._max_workers,
            "max_queue": self._max_queue,
            "closed": self.closed,
            "lanes": lanes_status(lanes, waiting, running, now),
        }

    def close(self, timeout_s: float = 5.0) -> bool:
        """End: refuse new jobs, fail the waiting ones, let the running ones finish.

        Blocks at most ``timeout_s`` seconds; returns whether nothing runs any more. May be
        called again.
        """
        with self._lock:
            self.closed = True
            self._room.notify_all()
            waiting = [job for job in self._waiting.jobs() if self._leave(job)]
        self._changed.give()
        if waiting:
            _log.warning("closed with %d requests still waiting; they fail", len(waiting))
        for job in waiting:
            self._end(job, None, closed_error())
        try:
            return self._wait_until_idle(timeout_s)
        finally:
            self._threads.shutdown()
            if self._stepping.acquire(blocking=False):  # the dispatcher may be gone
                try:
                    self._do_soon()
                finally:
                    self._stepping.release()

    # --- on the way in --------------------------------------------------------------------

    def _refused_at_once(self, job: Job, max_wait_s: float) -> bool:
        """Fail a job that would wait too long behind others; False if it may hope."""
        if self._foresee is None:
            return False
        with self._lock:
            self._check_open()
            ahead = job.lane.ahead_of(job.level, job.share.tag)
            if not ahead.jobs and len(self._running) < self._max_workers:
                return False  # it is asked for in a moment
        wait = self._foresee(job.work, ahead)
        if wait.wait_s <= max_wait_s:
            return False
        job.state = State.DONE
        self._end(job, None, wait_too_long(job, wait, self._clock, ahead))
        return True

    def _queue(self, job: Job, room_until_s: float | None, due_s: float) -> RequestFuture:
        runs = self._threads.have_begun or threads_run()
        with self._lock:
            self._threads.in_place |= not runs
            self._wait_for_room(room_until_s)
            self._threads.start(self, self._max_workers, self._changed, self._clock)
            self._enter(job, due_s)
            if job.give_up_s is not None:
                self._waiting.give_up_at(job, job.give_up_s)
        self._advance()
        return job.future

    def _wait_for_room(self, until_s: float | None) -> None:
        self._check_open()
        while self._max_queue and self._waiting.count >= self._max_queue:
            left_s = None if until_s is None else until_s - self._clock.monotonic()
            # Where there are no threads, nobody would ever make room.
            if self._threads.in_place or (left_s is not None and left_s <= 0.0):
                raise queue_full(self._waiting.count, self._max_queue)
            self._clock.wait(self._room, left_s)
            self._check_open()

    def _check_open(self) -> None:
        if self.closed:
            raise closed_error()

    # --- the dispatcher -------------------------------------------------------------------

    def step(self) -> float | None:
        """Do all that is due now; return the instant of the next thing, or None.

        This is the whole dispatcher: its thread only repeats it, and tests call it by hand.
        """
        with self._stepping:
            self._sleeps_until = self._do_what_is_due()
            return self._sleeps_until

    def _advance(self) -> None:
        """Step on the thread that has just changed something: that saves a change of threads.

        The dispatcher is woken if somebody else is stepping, who may have looked at the change
        or not; if it would oversleep the next instant; and by the main thread, which never steps
        itself: Ctrl-C can strike it at any line, and would tear somebody else's job apart.
        """
        wake = True
        in_main_thread = threading.current_thread() is threading.main_thread()
        if not in_main_thread and self._stepping.acquire(blocking=False):
            try:
                next_s, planned_s = self._do_what_is_due(), self._sleeps_until
            finally:
                self._stepping.release()
            wake = next_s is not None and (planned_s is None or next_s < planned_s)
        if wake:
            self._changed.give()

    def _do_what_is_due(self) -> float | None:
        now = self._clock.monotonic()
        self._do_soon()
        with self._lock:
            self._waiting.unpark(now)
        # Starting comes first: who may not wait at all is given up after one look.
        while self._start_next(now) or self._give_up_overdue(now):
            pass
        return self._next_instant()

    def _start_next(self, now: float) -> bool:
        """Deal with the best job that need not wait; return False if there is none."""
        with self._lock:
            if len(self._running) >= self._max_workers:
                return False
            claims = self._waiting.claims()
        return any(self._try_start(job, now) for job in claims)

    def _try_start(self, job: Job, now: float) -> bool:
        """Ask for admission. True if the job left its lane: it was started, or it failed."""
        work = job.work
        if work is None:  # cancelled since it was looked at
            return True
        try:
            answer = self._admit(work)
        except BaseException as error:
            self._fail(job, error)
            return True
        if not isinstance(answer, Wait):
            self._hand_over(job, work, answer)
            return True
        with self._lock:
            job.lane.hold(answer, now, job.level)
        if job.give_up_s is None or now + answer.wait_s <= job.give_up_s:
            return False
        if answer.is_guess and now < job.give_up_s:
            return False
        self._fail(job, wait_too_long(job, answer, self._clock))
        return True

    def _hand_over(self, job: Job, work: Any, admission: Admission) -> None:
        with self._lock:
            job.lane.waits = None
            started = self._leave(job, State.HANDED)
            if started:
                self._running.add(job)
        if not started:  # cancelled while it was asked for
            admission.release()
            return
        try:
            self._threads.work(self._work, job, work, admission)
        except RuntimeError as fault:  # shut down, or the system allows no more threads
            self._not_handed_over(job, admission, fault)

    def _not_handed_over(self, job: Job, admission: Admission, fault: RuntimeError) -> None:
        with self._lock:
            # The pool may have taken the job all the same: a worker is at it, or will be when one
            # that is busy now is free.
            handed = job.state is State.HANDED
            if handed and len(self._running) > 1 and not self.closed:
                return
            if handed:
                job.state = State.RUNNING
        if not handed:
            self._not_run(job, admission)
            return
        admission.release()
        error: GroqError = closed_error() if self.closed else no_worker(job, fault)
        self._work_done(job, None, error)

    def _give_up_overdue(self, now: float) -> bool:
        """Fail one job whose time is up; return False if there is none."""
        while True:
            with self._lock:
                job = self._waiting.next_overdue(now)
                if job is None:
                    return False
                left = self._leave(job)  # not if it runs; if it comes back, its time is up then
                ahead = job.lane.ahead_of(job.level, job.share.tag) if self._foresee else None
            if left:
                self._end(job, None, waited_too_long(job, self._clock, self._foresee, ahead))
                return True

    def _next_instant(self) -> float | None:
        with self._lock:
            may_start = len(self._running) < self._max_workers
            return self._waiting.next_instant(may_start=may_start)

    def _drive(self, future: RequestFuture, timeout_s: float | None) -> bool:
        """Where no thread runs: do all that is to be done until a job has ended, or time is up.

        Returns whether it is so. May be called from any thread; several share the work.
        """
        if not self._threads.in_place:
            return False
        until_s = math.inf if timeout_s is None else self._clock.monotonic() + timeout_s
        while not future.done():
            next_s = self.step()
            if self._threads.do_next():
                continue
            left_s = until_s - (now := self._clock.monotonic())
            if future.done() or left_s <= 0.0:
                break
            # The signal wakes one of those who wait, and maybe not the one whose job is done.
            due_s = math.inf if next_s is None else next_s - now
            self._changed.wait(min(left_s, due_s, _LONGEST_UNWATCHED_S))
        return True

    # --- a worker -------------------------------------------------------------------------

    def _work(self, job: Job, work: Any, admission: Admission) -> None:
        with self._lock:
            runs = job.state is State.HANDED
            if runs:
                job.state = State.RUNNING
                job.runs += 1
        if not runs:
            self._not_run(job, admission)
            return
        try:
            value, error = self._run(work, admission), None
        except BaseException as raised:
            value, error = None, raised
        self._work_done(job, value, error)

    def _not_run(self, job: Job, admission: Admission) -> None:
        """Free the place of a job that was cancelled after it was handed over."""
        with self._lock:
            if job.state is not State.CANCELLED or job not in self._running:
                return  # somebody else has
            self._running.discard(job)
        admission.release()
        self._work_done(job, None, None)

    def _work_done(self, job: Job, value: Any, error: BaseException | None) -> None:
        with self._lock:
            self._running.discard(job)
            wanted = job.state is State.RUNNING  # or it was cancelled meanwhile
            again = wanted and isinstance(value, Again)
            if again:
                error = self._take_back(job, value.delay_s)
            done = wanted and (not again or error is not None)
            if done:
                job.state = State.DONE
                self._waiting.forget(job)
                self._telling += 1
            more = self._waiting.count
        if more:
            self._advance()
        if done:  # only now, when its slot is free
            self._end(job, value, error)
        elif not wanted:
            _close(value)
        with self._lock:
            self._telling -= done
            if not (self._running or self._telling):
                self._idle.notify_all()

    def _take_back(self, job: Job, delay_s: float) -> Exception | None:
        """Let a job wait once more, at its old place, or return the reason why not. Lock held."""
        now = self._clock.monotonic()
        if self.closed:
            return closed_error()
        if job.give_up_s is not None and now + delay_s > job.give_up_s:
            return wait_too_long(job, Wait(delay_s), self._clock)
        self._enter(job, now + delay_s)
        return None

    def _enter(self, job: Job, due_s: float) -> None:
        """Let a job wait. Lock held."""
        self._waiting.enter(job, due_s, self._clock.monotonic())
        _busy.add(self)

    def _leave(self, job: Job, state: State = State.DONE) -> bool:
        """Take a waiting job out; False if it does not wait any more. Lock held."""
        left = self._waiting.leave(job, state)
        if left:
            self._room.notify_all()  # of many that are woken, one may be interrupted
            self._drop_if_idle()
        return left

    def _drop_if_idle(self) -> None:
        """Let go of this manager, if nobody needs it but who made it. Lock held."""
        if not self._waiting.count and self._soon.empty():
            _busy.discard(self)

    # --- ends -----------------------------------------------------------------------------

    def _cancel(self, job: Job) -> bool:
        with self._lock:
            left = self._leave(job, State.CANCELLED)
            runs = not left and job in self._running and job.state is not State.DONE
            if runs:
                job.state = State.CANCELLED
                self._waiting.forget(job)
            if job.state is not State.CANCELLED:
                return False
            work, job.work = job.work, None  # of several who cancel it, one gets it
        if work is not None:
            job.future.cancelled_by = error = cancelled_error()
            if self._ended is not None:
                self._ended(work, None, error)
        call_back = job.future.end_cancelled()
        if left:
            self._changed.give()
        if runs and self._interrupt is not None and work is not None:
            self._interrupt(work)
        if call_back is not None:
            call_back()
        return True

    def _abandon(self, job: Job) -> None:
        # The garbage collector may be calling, on a thread that holds the lock and never lets go.
        if self._lock.acquire(timeout=0.05):
            self._lock.release()
            self._cancel(job)
        else:
            self.soon(lambda: self._cancel(job))

    def _do_soon(self) -> None:
        if self._soon.empty():
            return
        while not self._soon.empty():
            try:
                self._soon.get()()
            except Exception:
                _log.exception("something that was put off failed")
        with self._lock:
            self._drop_if_idle()

    def _fail(self, job: Job, error: BaseException) -> bool:
        """End a waiting job with an error; False if it does not wait any more."""
        with self._lock:
            if not self._leave(job):
                return False
        self._end(job, None, error)
        return True

    def _end(self, job: Job, value: Any, error: BaseException | None) -> None:
        """Tell the outcome of a job, and forget what it was about."""
        work, job.work = job.work, None
        if self._ended is not None and work is not None:
            self._ended(work, value, error)
        call_back = job.future.end(value, error)
        if call_back is not None:
            self._threads.call(call_back)

    def _wait_until_idle(self, timeout_s: float) -> bool:
        until_s = self._clock.monotonic() + timeout_s
        with self._lock:
            while (self._running or self._telling) and (
                left_s := until_s - self._clock.monotonic()
            ) > 0.0:
                self._clock.wait(self._idle, left_s)
            return not (self._running or self._telling)

    # --- process ----------------------------------------------------------------------------

    def after_fork(self) -> None:
        """In a forked child: forget jobs and threads, which live on in the parent."""
        _busy.discard(self)
        self._threads.forget()
        self._reset()

    def at_exit(self) -> None:
        """At the interpreter's end: fail what waits, and do without threads from now on.

        Hooks that are called later may still call the client.
        """
        was_closed = self.closed
        self.close(timeout_s=0.0)
        with self._lock:
            self._threads = QueueThreads()
            self.closed = was_closed


def _close(value: Any) -> None:
    """Close an outcome that came too late, if it is something to be closed, such as a stream."""
    close = getattr(value, "close", None)
    if close is not None:
        close()
