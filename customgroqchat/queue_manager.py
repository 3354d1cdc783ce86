"""QueueManager: who goes next, and on which worker.

Jobs wait in lanes, one for each rate-limit scope, ordered by rank. A single dispatcher looks at
the head of every lane, asks *admit*, and hands what is admitted to a free worker, which calls
*run*. The manager knows neither limits nor HTTP: those are behind the two callables.
"""

from __future__ import annotations

import itertools
import logging
import queue
import threading
import weakref
from collections.abc import Callable, Hashable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from . import _process
from ._clock import Clock, Signal
from ._lanes import WAITING, Admission, Again, Job, Lane, RequestFuture, State, Wait
from ._ordering import rank
from ._queue_errors import closed_error, wait_too_long, waited_too_long
from ._timetable import Timetable
from .exceptions import (
    ClientError,
    GroqError,
    QueueFullException,
)

__all__ = ["Admission", "Again", "QueueManager", "RequestFuture", "Wait"]

_log = logging.getLogger(__name__)

# Callbacks have threads of their own, made as they are needed: they may block, or call the client
# and wait for its workers, or for one another.
_CALLBACK_THREADS = 256

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
        *,
        max_workers: int = 16,
        max_queue: int = 10_000,
        ageing_s: float | None = 300.0,
        clock: Clock | None = None,
    ) -> None:
        self._admit = admit
        self._run = run
        self._max_workers = max_workers
        self._max_queue = max_queue
        self._ageing_s = ageing_s
        self._clock = clock or Clock()
        self._serials = itertools.count(1)
        self._finalizer: weakref.finalize[[], QueueManager] | None = None
        self._closed = False
        self._reset()
        _process.on_fork(self)
        _process.on_exit(self)

    def _reset(self) -> None:
        """Become as new: nothing queued, no thread."""
        self._lock = threading.Lock()  # guards all below; nothing foreign is called under it
        self._room = threading.Condition(self._lock)
        self._idle = threading.Condition(self._lock)
        self._lanes: dict[Hashable, Lane] = {}
        self._timetable = Timetable()
        self._waiting = 0  # queued or parked
        self._running: set[Job] = set()
        self._abandoned: queue.SimpleQueue[Job] = queue.SimpleQueue()
        self._executor: ThreadPoolExecutor | None = None
        self._callback_executor: ThreadPoolExecutor | None = None
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
        model: str | None = None,
    ) -> RequestFuture:
        """Queue a job.

        Blocks only while the queue is full, and only if told to wait for room.

        Args:
            work: What *admit* and *run* shall be given.
            lane: The scope that it belongs to.
            level: Its priority; smaller is sooner.
            max_wait_s: Seconds after which, if it was not admitted, it ends with
                RateLimitExceededException; None waits as long as it takes.
            wait_for_room: Whether to wait for room in a full queue, at most ``max_wait_s``
                seconds, or to raise at once. By default it waits if a ``max_wait_s`` is given.
            tag: Kept on the future, and a handle for :meth:`cancel`.
            model: What the errors of this manager shall name, if there is one.

        Raises:
            QueueFullException: the queue is full.
            ClientClosedException: the manager is closed.
        """
        born_s = self._clock.monotonic()
        give_up_s = None if max_wait_s is None else born_s + max_wait_s
        waits = max_wait_s is not None if wait_for_room is None else wait_for_room
        with self._lock:
            self._wait_for_room(give_up_s if waits else born_s)
            self._start()
            job = Job(work, self._lane(lane), level, born_s, next(self._serials), tag, model)
            job.future = RequestFuture(job, self._cancel, self._abandon)
            job.rank = rank(level, born_s, self._ageing_s)
            job.give_up_s = give_up_s
            self._count_waiting(1)
            self._enqueue(job)
            if give_up_s is not None:
                self._timetable.give_up_at(job, give_up_s)
            future = job.future
        self._advance()
        return future

    def cancel(self, *, request_id: int | None = None, tag: str | None = None) -> int:
        """Cancel the waiting jobs with this number or tag; return how many there were."""
        with self._lock:
            waiting = self._waiting_jobs()
        return sum(
            job.future.cancel()
            for job in waiting
            if job.serial == request_id or (tag is not None and job.tag == tag)
        )

    def look_again(self) -> None:
        """Ask for the admission of waiting jobs anew, for what they wait for has changed."""
        self._changed.give()

    def status(self) -> dict[str, Any]:
        """Return what is queued and running, and what the head of each lane waits for.

        ``lanes`` has an entry for each lane, under its name; see :meth:`Lane.status`.
        """
        now = self._clock.monotonic()
        with self._lock:
            waiting = self._waiting_jobs()
            running = list(self._running)
            lanes = list(self._lanes.values())
            closed = self._closed
        return {
            "queued": len(waiting),
            "in_flight": len(running),
            "max_workers": self._max_workers,
            "max_queue": self._max_queue,
            "closed": closed,
            "lanes": {
                lane.name: lane.status(
                    [job for job in waiting if job.lane is lane],
                    sum(job.lane is lane for job in running),
                    now,
                )
                for lane in lanes
            },
        }

    def close(self, timeout_s: float = 5.0) -> bool:
        """End: refuse new jobs, fail the waiting ones, let the running ones finish.

        Blocks at most ``timeout_s`` seconds; returns whether nothing runs any more. May be
        called again.
        """
        with self._lock:
            self._closed = True
            self._room.notify_all()
            waiting = [job for job in self._waiting_jobs() if self._leave(job)]
            executors = [self._executor, self._callback_executor]
        self._changed.give()
        if waiting:
            _log.warning("closed with %d requests still waiting; they fail", len(waiting))
        for job in waiting:
            self._end(job, None, closed_error())
        try:
            return self._wait_until_idle(timeout_s)
        finally:
            for executor in executors:
                if executor is not None:
                    executor.shutdown(wait=False)

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
        self._cancel_abandoned()
        self._unpark(now)
        # Starting comes first: who may not wait at all is given up after one look.
        while self._start_next(now) or self._give_up_overdue(now):
            pass
        return self._next_instant()

    def _start_next(self, now: float) -> bool:
        """Deal with the best job that need not wait; return False if there is none."""
        with self._lock:
            if len(self._running) >= self._max_workers:
                return False
            heads = [head for lane in self._lanes.values() if (head := lane.head())]
        heads.sort(key=lambda job: (job.rank, job.serial))
        return any(self._try_start(job, now) for job in heads)

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
        job.lane.waits = (answer, now + answer.wait_s)
        if job.give_up_s is None or now + answer.wait_s <= job.give_up_s:
            return False
        self._fail(job, wait_too_long(job, answer, now))
        return True

    def _hand_over(self, job: Job, work: Any, admission: Admission) -> None:
        with self._lock:
            job.lane.waits = None
            started = self._leave(job, State.HANDED)
            if started:
                self._running.add(job)
            executor = self._executor
        if not started:  # cancelled while it was asked for
            admission.release()
            return
        assert executor is not None
        try:
            executor.submit(self._work, job, work, admission)
        except RuntimeError as fault:  # shut down, or the system allows no more threads
            self._not_handed_over(job, admission, fault)

    def _not_handed_over(self, job: Job, admission: Admission, fault: RuntimeError) -> None:
        with self._lock:
            # The pool may have taken the job all the same: a worker is at it, or will be when one
            # that is busy now is free.
            if job.state is not State.HANDED or (len(self._running) > 1 and not self._closed):
                return
            job.state = State.RUNNING
        admission.release()
        if self._closed:
            error: GroqError = closed_error()
        else:
            error = ClientError(f"No worker could be started: {fault}", model=job.model)
            error.__cause__ = fault
        self._work_done(job, None, error)

    def _unpark(self, now: float) -> None:
        with self._lock:
            for job in self._timetable.due(now):
                self._enqueue(job)

    def _give_up_overdue(self, now: float) -> bool:
        """Fail one job whose time is up; return False if there is none."""
        while True:
            with self._lock:
                job = self._timetable.next_overdue(now)
            if job is None:
                return False
            # One that runs is not failed; if it comes back, its time is seen to be up then.
            if self._fail(job, waited_too_long(job, now)):
                return True

    def _next_instant(self) -> float | None:
        with self._lock:
            instants = [self._timetable.next_instant()]
            if len(self._running) < self._max_workers:
                instants += [
                    lane.waits[1] for lane in self._lanes.values() if lane.waits and lane.head()
                ]
        return min((instant for instant in instants if instant is not None), default=None)

    # --- a worker -------------------------------------------------------------------------

    def _work(self, job: Job, work: Any, admission: Admission) -> None:
        with self._lock:
            if job.state is not State.HANDED:
                return
            job.state = State.RUNNING
            job.runs += 1
        try:
            value, error = self._run(work, admission), None
        except BaseException as raised:
            value, error = None, raised
        self._work_done(job, value, error)

    def _work_done(self, job: Job, value: Any, error: BaseException | None) -> None:
        with self._lock:
            self._running.discard(job)
            again = isinstance(value, Again)
            if again:
                error = self._take_back(job, value.delay_s)
            done = not again or error is not None
            if done:
                job.state = State.DONE
                self._timetable.forget(job)
            if not self._running:
                self._idle.notify_all()
            more = self._waiting
        if more:
            self._advance()
        if done:  # only now, when its slot is free
            self._end(job, value, error)

    def _take_back(self, job: Job, delay_s: float) -> Exception | None:
        """Let a job wait once more, at its old rank, or return the reason why not. Lock held."""
        now = self._clock.monotonic()
        if self._closed:
            return closed_error()
        if job.give_up_s is not None and now + delay_s > job.give_up_s:
            return wait_too_long(job, Wait(delay_s), now)
        self._count_waiting(1)
        if delay_s > 0.0:
            job.state = State.PARKED
            self._timetable.park(job, now + delay_s)
        else:
            self._enqueue(job)
        return None

    # --- small changes, all with the lock held ---------------------------------------------

    def _lane(self, name: Hashable) -> Lane:
        lane = self._lanes.get(name)
        if lane is None:
            lane = self._lanes[name] = Lane(name)
        return lane

    def _count_waiting(self, difference: int) -> None:
        self._waiting += difference
        if self._waiting:
            _busy.add(self)
        else:
            _busy.discard(self)

    def _enqueue(self, job: Job) -> None:
        job.state = State.QUEUED
        job.lane.add(job)

    def _leave(self, job: Job, state: State = State.DONE) -> bool:
        """Take a waiting job out of the queue; False if it does not wait any more."""
        if job.state not in WAITING or self._lanes.get(job.lane.name) is not job.lane:
            return False  # (a lane that is not ours was there before a fork)
        was_queued = job.state is State.QUEUED
        job.state = state
        if was_queued:
            job.lane.left()
        if state is not State.HANDED:
            self._timetable.forget(job)
        self._count_waiting(-1)
        self._room.notify_all()  # of many that are woken, one may be interrupted
        return True

    def _waiting_jobs(self) -> list[Job]:
        queued = [job for lane in self._lanes.values() for job in lane.jobs()]
        return queued + self._timetable.parked()

    def _wait_for_room(self, until_s: float | None) -> None:
        while not self._closed and self._max_queue and self._waiting >= self._max_queue:
            left_s = None if until_s is None else until_s - self._clock.monotonic()
            if left_s is not None and left_s <= 0.0:
                raise QueueFullException(
                    f"The queue is full: {self._waiting} requests wait already.",
                    limit=self._max_queue,
                    hint="Give max_wait to wait for room, use map(), or raise max_queue.",
                )
            self._clock.wait(self._room, left_s)
        if self._closed:
            raise closed_error()

    # --- ends -----------------------------------------------------------------------------

    def _cancel(self, job: Job) -> bool:
        with self._lock:
            left = self._leave(job, State.CANCELLED)
            if not left and job.state is not State.CANCELLED:
                return False
        job.work = None
        call_back = job.future.end_cancelled()
        if left:
            self._changed.give()
        if call_back is not None:
            call_back()
        return True

    def _abandon(self, job: Job) -> None:
        # The garbage collector may be calling, on a thread that holds the lock and never lets go.
        if self._lock.acquire(timeout=0.05):
            self._lock.release()
            self._cancel(job)
        else:
            self._abandoned.put(job)
            self._changed.give()

    def _cancel_abandoned(self) -> None:
        while not self._abandoned.empty():
            self._cancel(self._abandoned.get())

    def _fail(self, job: Job, error: BaseException) -> bool:
        """End a waiting job with an error; False if it does not wait any more."""
        with self._lock:
            if not self._leave(job):
                return False
        self._end(job, None, error)
        return True

    def _end(self, job: Job, value: Any, error: BaseException | None) -> None:
        """Tell the outcome of a job, and forget what it was about."""
        job.work = None
        call_back = job.future.end(value, error)
        if call_back is None:
            return
        try:
            assert self._callback_executor is not None
            self._callback_executor.submit(call_back)
        except RuntimeError:  # shut down by close(), or by the interpreter's end
            call_back()

    def _wait_until_idle(self, timeout_s: float) -> bool:
        until_s = self._clock.monotonic() + timeout_s
        with self._lock:
            while self._running and (left_s := until_s - self._clock.monotonic()) > 0.0:
                self._clock.wait(self._idle, left_s)
            return not self._running

    # --- threads and process --------------------------------------------------------------

    def _start(self) -> None:
        """Make the threads, once. Called with the lock held."""
        if self._executor is not None:
            return
        threading.Thread(
            target=_dispatch,
            args=(weakref.ref(self), self._changed, self._clock),
            name="customgroqchat-dispatcher",
            daemon=True,
        ).start()
        # The dispatcher holds the manager only while it steps, and is woken when it is gone.
        self._finalizer = weakref.finalize(self, self._changed.give)
        self._finalizer.atexit = False
        self._executor = ThreadPoolExecutor(self._max_workers, "customgroqchat-worker")
        self._callback_executor = ThreadPoolExecutor(_CALLBACK_THREADS, "customgroqchat-callback")

    def after_fork(self) -> None:
        """In a forked child: forget jobs and threads, which live on in the parent."""
        _busy.discard(self)
        if self._finalizer is not None:
            self._finalizer.detach()  # the parent's dispatcher, whom it would wake, is not here
        self._reset()

    def at_exit(self) -> None:
        """At the interpreter's end: close, without waiting for what still runs."""
        self.close(timeout_s=0.0)


def _dispatch(reference: weakref.ref[QueueManager], changed: Signal, clock: Clock) -> None:
    while (manager := reference()) is not None and not manager._closed:
        next_s = manager.step()
        del manager
        changed.wait(None if next_s is None else next_s - clock.monotonic())
