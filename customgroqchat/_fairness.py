"""Who goes next among the tags of one priority: start-time fair queueing. Pure.

Each tag is a flow of jobs, oldest first. A flow stands at a point of virtual time, which moves on
by tokens / weight with each of its jobs that goes. The flow that stands farthest back goes next,
and of equals the one whose first job is the older. So all that wait get tokens in proportion to
their weights, whatever the sizes of their jobs and however many of them they have queued.

The time of the whole moves on by tokens / (the weights of all), as it does for each of them if
they are served in proportion. A flow that is new, or comes back, starts there: it is owed nothing
for the time in which it asked for nothing, and pays for nothing that was served before it came.

A job pays when it goes. Who is cancelled has paid nothing, and who comes back pays no second time.

If all go in this order, nobody stands farther ahead of the last than by the tokens / weight of one
job, the largest. So before a job that is the first of its tag, each other tag that waits is served
at most twice as much as that, in tokens / weight; and tags that come later stand behind it.
"""

from __future__ import annotations

import heapq
import itertools
import math
from typing import Generic, NamedTuple, Protocol, TypeVar

from .exceptions import InvalidRequestException


class Share(NamedTuple):
    """What a job takes, and on whose account; :func:`share_of` makes a sound one.

    Attributes:
        tag: The flow that it belongs to; None is one as well.
        tokens: What it will probably cost.
        weight: What its flow may take, compared with others.
    """

    tag: str | None = None
    tokens: float = 1.0
    weight: float = 1.0


def share_of(tag: str | None, tokens: float, weight: float) -> Share:
    """Return a share of at least one token, for whatever a job costs, it takes a turn.

    Jobs without a tag have no weight of their own.

    Raises:
        InvalidRequestException: the tokens are negative, the weight is not positive, or one of
            them is not finite.
    """
    for name, value, good in (("tokens", tokens, tokens >= 0.0), ("weight", weight, weight > 0.0)):
        if not (good and math.isfinite(value)):
            raise InvalidRequestException(
                f"{name} must be a finite, positive number, not {value!r}.",
                field=name,
                value=repr(value),
            )
    return Share(tag, max(1.0, tokens), 1.0 if tag is None else weight)


class Contender(Protocol):
    """A job, as far as this module looks at it.

    Attributes:
        share: What it takes, and on whose account.
        rank: Within a flow the lower goes first, ...
        serial: ... and then the lower number.
        entry: Counts how often it came and left; what a heap holds under an older one is void.
        start: Where its flow stood when it went, or None if it never did.
    """

    share: Share
    rank: float
    serial: int
    entry: int
    start: float | None


J = TypeVar("J", bound=Contender)

# Numbers come first, and differ: neither two jobs nor two flows are ever compared.
Entry = tuple[float, int, int, J]  # rank, serial, entry, job
Place = tuple[tuple[float, ...], int, "Flow[J]"]  # virtual time and age, mark, flow


class Ahead(NamedTuple):
    """What goes before somebody.

    Attributes:
        jobs: How many jobs.
        tokens: What they will probably cost together.
    """

    jobs: int = 0
    tokens: float = 0.0

    def and_also(self, other: Ahead) -> Ahead:
        """Return the sum of both."""
        return Ahead(self.jobs + other.jobs, self.tokens + other.tokens)


def entry_of(job: J) -> Entry[J]:
    """Return what a heap holds of a job that waits."""
    return job.rank, job.serial, job.entry, job


def is_live(entry: Entry[J]) -> bool:
    """Whether the job still waits, and has not left and come back since."""
    return entry[3].entry == entry[2]


def _unpaid(job: Contender) -> float:
    return job.share.tokens if job.start is None else 0.0


class Flow(Generic[J]):
    """The waiting jobs of one tag, and where it stands.

    Attributes:
        finish: The virtual time at which its next new job starts.
        count: How many wait.
        tokens: Their tokens.
        unpaid: The tokens of those that never went.
        mark: The number of its newest place; older ones are void.
    """

    __slots__ = ("_jobs", "count", "finish", "mark", "tag", "tokens", "unpaid", "weight")

    def __init__(self, tag: str | None, finish: float) -> None:
        self.tag = tag
        self.finish = finish
        self.weight = 0.0
        self.count = 0
        self.tokens = 0.0
        self.unpaid = 0.0
        self.mark = 0
        self._jobs: list[Entry[J]] = []

    def add(self, job: J) -> None:
        """Put a job in, at its age."""
        job.entry += 1
        self.count += 1
        self.tokens += job.share.tokens
        self.unpaid += _unpaid(job)
        heapq.heappush(self._jobs, entry_of(job))

    def remove(self, job: J) -> None:
        """Take a job out, wherever it stands."""
        job.entry += 1
        self.count -= 1
        self.tokens = self.tokens - job.share.tokens if self.count else 0.0
        self.unpaid = self.unpaid - _unpaid(job) if self.count else 0.0
        if len(self._jobs) > 2 * self.count:
            self._jobs = [entry for entry in self._jobs if is_live(entry)]
            heapq.heapify(self._jobs)

    def head(self) -> J:
        """Return its oldest job; there must be one."""
        while not is_live(self._jobs[0]):
            heapq.heappop(self._jobs)
        return self._jobs[0][3]

    def start(self) -> float:
        """Return where its oldest job starts: at its old place if it went before."""
        start = self.head().start
        return self.finish if start is None else start

    def charge(self, job: J) -> None:
        """Have a job that goes start here, and stand behind it."""
        self.unpaid -= job.share.tokens
        job.start = self.finish
        self.finish += job.share.tokens / self.weight

    def before(self, start: float) -> Ahead:
        """Return about how much of it goes before a new job of another tag, and not more."""
        lead = start - self.finish
        if not self.count or (lead < 0.0 and self.head().start is None):
            return _NOTHING
        share = self.tokens - self.unpaid + min(self.unpaid, max(0.0, lead) * self.weight)
        tokens = max(share, self.head().share.tokens)
        return Ahead(max(1, int(self.count * tokens / self.tokens)), tokens)


_NOTHING = Ahead()


class FairQueue(Generic[J]):
    """Jobs in fair order. Not thread-safe; each operation costs O(log n), spread over many.

    Attributes:
        now: Virtual time, in tokens by weight.
        count: How many jobs wait.
        tokens: Their tokens.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.count = 0
        self.tokens = 0.0
        # Those with waiting jobs, and those that were served more than virtual time allows yet.
        self._flows: dict[str | None, Flow[J]] = {}
        self._weight = 0.0  # of all of them
        self._marks = itertools.count(1)
        self._heads: list[Place[J]] = []  # those with waiting jobs
        self._idle: list[Place[J]] = []  # the others

    def add(self, job: J) -> None:
        """Put a job in. The newest weight counts for all of its tag."""
        flow = self._flows.get(job.share.tag) or self._new_flow(job.share.tag)
        self._weigh(flow, job.share.weight)
        if job.start is not None:  # it may be from before all had left, when time began anew
            job.start = min(job.start, self.now)
        self.count += 1
        self.tokens += job.share.tokens
        flow.add(job)
        if flow.head() is job:
            self._place(flow)

    def head(self) -> J:
        """Return the job that goes next; there must be one."""
        return self._first().head()

    def hold(self) -> None:
        """Take note that the head waits to go, so that nobody who comes now stands before it."""
        self._move_on(self._first().start())

    def leave(self, job: J, *, goes: bool = False) -> None:
        """Take a waiting job out; if it goes, its tag has had its tokens."""
        flow = self._flows[job.share.tag]
        was_head = flow.head() is job
        if goes and job.start is None:
            self._charge(job, flow)
        self.count -= 1
        self.tokens = self.tokens - job.share.tokens if self.count else 0.0
        flow.remove(job)
        if was_head:
            self._place(flow)
            self._forget_idle()

    def ahead_of(self, tag: str | None) -> Ahead:
        """Return what goes before a new job of this tag: at least so much, and about.

        All of its own tag, and of each other what starts before it. Costs O(tags).
        """
        own = self._flows.get(tag)
        if own is None:
            start, ahead = self.now, Ahead()
        else:
            start = own.finish + own.unpaid / own.weight
            ahead = Ahead(own.count, own.tokens)
        others = [flow.before(start) for flow in self._flows.values() if flow is not own]
        return Ahead(
            ahead.jobs + sum(other.jobs for other in others),
            ahead.tokens + sum(other.tokens for other in others),
        )

    # --- virtual time -------------------------------------------------------------------------

    def _charge(self, job: J, flow: Flow[J]) -> None:
        self._move_on(self._first().start())
        flow.charge(job)
        self._move_on(self.now + job.share.tokens / max(self._weight, flow.weight))

    def _move_on(self, instant: float) -> None:
        self.now = max(self.now, instant)
        self._forget_idle()

    # --- flows --------------------------------------------------------------------------------

    def _new_flow(self, tag: str | None) -> Flow[J]:
        flow = self._flows[tag] = Flow(tag, self.now)
        return flow

    def _weigh(self, flow: Flow[J], weight: float) -> None:
        self._weight += weight - flow.weight
        flow.weight = weight

    def _place(self, flow: Flow[J]) -> None:
        """Put a flow where its oldest job belongs, or among the idle ones."""
        flow.mark = next(self._marks)
        if flow.count:
            job = flow.head()
            key = (flow.start(), job.rank, job.serial)
            self._heads = self._with(self._heads, (key, flow.mark, flow))
        else:
            self._idle = self._with(self._idle, ((flow.finish,), flow.mark, flow))

    def _with(self, places: list[Place[J]], place: Place[J]) -> list[Place[J]]:
        """Return the heap with one more place, without void ones if these are too many."""
        heapq.heappush(places, place)
        if len(places) <= 2 * len(self._flows) + 16:
            return places
        places = [place for place in places if not _is_void(place)]
        heapq.heapify(places)
        return places

    def _first(self) -> Flow[J]:
        """Return the flow that goes next; there must be one."""
        while _is_void(self._heads[0]):
            heapq.heappop(self._heads)
        return self._heads[0][2]

    def _forget_idle(self) -> None:
        """Forget the flows that stand where a new one would."""
        while self._idle and (_is_void(self._idle[0]) or self._idle[0][2].finish <= self.now):
            place = heapq.heappop(self._idle)
            if not _is_void(place):
                del self._flows[place[2].tag]
                self._weight = self._weight - place[2].weight if self._flows else 0.0


def _is_void(place: Place[J]) -> bool:
    return place[2].mark != place[1]
