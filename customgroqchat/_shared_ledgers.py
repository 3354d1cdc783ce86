"""The ledgers of a client, or of all clients of a process, under one lock.

The service counts by account, not by object: clients with one key admit against the same levels,
side by side or one after the other.
"""

from __future__ import annotations

import contextlib
import itertools
import threading
from collections import OrderedDict
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from . import _process
from ._clock import Clock
from ._ledger import Ledger
from ._limit_book import LimitBook, Scope
from ._lookouts import Lookout
from .stores import MemoryStore, Store

if TYPE_CHECKING:
    from .config_loader import Config

_MOST_LEDGERS = 256


class Ledgers:
    """Opens a ledger when a scope is first used; forgets idle ones when there are too many.

    From any thread. It blocks for nothing but a short lock, and whatever reads the limits that
    are remembered.

    Args:
        store: Where levels live; by default in this process's memory, and no longer than here.
        clock: Where the time comes from.

    Attributes:
        store: That store.
        clock: That clock.
    """

    def __init__(self, store: Store | None = None, clock: Clock | None = None) -> None:
        self.clock = clock or Clock()
        self.store: Store = MemoryStore(self.clock) if store is None else store
        self._is_own_store = store is None
        # Guards all below, and the ledgers. The store's lock is the only one taken under it.
        self._lock = threading.Lock()
        self._ledgers: OrderedDict[Scope, Ledger] = OrderedDict()  # the longest unused first
        self._serials = itertools.count(1)
        _process.on_fork(self)

    def __len__(self) -> int:
        return len(self._ledgers)

    def serial(self) -> int:
        """Return a number for a request, higher than all before."""
        return next(self._serials)

    @contextlib.contextmanager
    def opened(
        self, scope: Scope, book: LimitBook, lookout: Lookout | None, *, news: bool = False
    ) -> Iterator[Ledger]:
        """Lend the ledger of a scope, under the lock.

        Of the books that were handed over for it, the one with the highest number decides.

        Args:
            scope: The account and model.
            book: How the limits are worked out for who asks.
            lookout: Who asks, if that can be told of others' news.
            news: Whether what is done may let others go sooner; they are told afterwards.
        """
        remembered = None
        while True:
            with self._lock:
                ledger = self._find(scope, book, remembered)
                if ledger is not None:
                    yield ledger
                    changed = news or remembered is not None
                    surprised = ledger.surprised(lookout, self.clock.monotonic()) if changed else []
                    break
            remembered = book.recall(scope)  # it may read a file: not under the lock
        for other in surprised:
            other.look_again()

    def reconfigure(self, book: LimitBook, config: Config, lookout: Lookout | None) -> None:
        """Change the configuration of a book, and all ledgers on which it decides."""
        with self._lock:
            book.use_config(config)
            ledgers = [ledger for ledger in self._ledgers.values() if ledger.book is book]
            for ledger in ledgers:
                ledger.use_book(book, ledger.state.remembered)
            now = self.clock.monotonic()
            surprised = {who for ledger in ledgers for who in ledger.surprised(lookout, now)}
        for other in surprised:
            other.look_again()

    def after_fork(self) -> None:
        """In a forked child: a new lock, and nothing on its way; levels stay as they were."""
        self._lock = threading.Lock()
        for ledger in self._ledgers.values():
            ledger.after_fork()

    # --- inside; the lock is held -----------------------------------------------------------

    def _find(
        self, scope: Scope, book: LimitBook, remembered: Mapping[str, int] | None
    ) -> Ledger | None:
        """Return the ledger; None if it first has to be known what is remembered."""
        ledger = self._ledgers.get(scope)
        if ledger is None or ledger.decided_by < book.number:
            if remembered is None:
                return None
            if ledger is None:
                self._make_room()
                ledger = self._ledgers[scope] = Ledger(scope, book, self.store, remembered)
            else:
                ledger.use_book(book, remembered)
        self._ledgers.move_to_end(scope)
        return ledger

    def _make_room(self) -> None:
        """Forget what nothing was ever heard of, such as wrong names; else the longest unused."""
        if len(self._ledgers) < _MOST_LEDGERS:
            return
        now = self.clock.monotonic()
        idle = [scope for scope, ledger in self._ledgers.items() if ledger.is_idle(now)]
        unheard = [scope for scope in idle if not self._ledgers[scope].state.heard]
        for scope in unheard or idle[:1]:
            del self._ledgers[scope]
            if self._is_own_store and isinstance(self.store, MemoryStore):  # else others use it
                self.store.forget(scope)


# --- those of the process --------------------------------------------------------------------

_lock = _process.ForkLock()
_shared: Ledgers | None = None


def shared_ledgers() -> Ledgers:
    """Return the ledgers that clients share, in the real time and this process's memory."""
    global _shared
    with _lock:
        if _shared is None:
            _shared = Ledgers()
        return _shared


def forget_shared_ledgers() -> None:
    """Have clients that are made from now on share new ones; for tests."""
    global _shared
    with _lock:
        _shared = None
