"""Bringing a vocabulary from where it is published: only when somebody asks for it.

The download runs in a thread of its own that ends with the process. So the deadline holds
whatever the network does: a name that is never resolved, or a server that sends one byte a minute.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from ._token_vocabulary import VocabularySpec

if TYPE_CHECKING:
    from requests import Response

__all__ = ["FetchError", "fetch_vocabulary"]

_CHUNK_BYTES = 65_536


class FetchError(Exception):
    """The vocabulary could not be brought; the message says why, for a user."""


def fetch_vocabulary(
    spec: VocabularySpec,
    address: str,
    *,
    deadline_s: float,
    timeouts_s: tuple[float, float] = (10.0, 20.0),
    progress: Callable[[int], object] = lambda _: None,
) -> bytes:
    """Download a vocabulary file and return its content, unchecked but for its size.

    Blocks for ``deadline_s`` seconds at most.

    Args:
        spec: The vocabulary.
        address: Where it is to be had.
        deadline_s: For everything together, in seconds.
        timeouts_s: For connecting, and for each piece of the answer, in seconds.
        progress: Is told the number of bytes so far; in another thread.

    Raises:
        FetchError: the server cannot be reached, refuses, is too slow, or sends too much.
    """
    download = _Download(spec, address, timeouts_s, progress)
    threading.Thread(target=download.run, name="customgroqchat-fetch", daemon=True).start()
    if not download.ended.wait(deadline_s):
        download.given_up = True
        raise FetchError(f"{address} did not send it within {deadline_s:g} seconds")
    if download.fault is not None:
        raise download.fault
    return bytes(download.data)


class _Download:
    """One download: what came so far, and how it ended."""

    def __init__(
        self,
        spec: VocabularySpec,
        address: str,
        timeouts_s: tuple[float, float],
        progress: Callable[[int], object],
    ) -> None:
        self._spec = spec
        self._address = address
        self._timeouts_s = timeouts_s
        self._progress = progress
        self.data = bytearray()
        self.fault: FetchError | None = None
        self.given_up = False
        self.ended = threading.Event()

    def run(self) -> None:
        from requests import RequestException, get

        try:
            with get(self._address, stream=True, timeout=self._timeouts_s) as response:
                self._receive(response)
        except FetchError as fault:
            self.fault = fault
        except (RequestException, OSError, ValueError) as fault:
            self.fault = FetchError(f"{self._address} cannot be read: {_reason(fault)}")
        finally:
            self.ended.set()

    def _receive(self, response: Response) -> None:
        if response.status_code != 200:
            raise FetchError(f"{self._address} answered with status {response.status_code}")
        for chunk in response.iter_content(_CHUNK_BYTES):
            self.data += chunk
            if self.given_up:
                return
            if len(self.data) > self._spec.size:
                size = f"{self._spec.size:,} bytes that {self._spec.name} has"
                raise FetchError(f"{self._address} sent more than the {size}")
            self._progress(len(self.data))


def _reason(fault: Exception) -> object:
    """What is behind a fault, without the layers that it went through."""
    inner = fault.args[0] if fault.args else fault
    return getattr(inner, "reason", None) or fault
