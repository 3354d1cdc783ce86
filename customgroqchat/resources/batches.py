"""``client.batches``: many requests at half the price, worked off within a day or more."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Literal, cast

from .._asking import mapping
from .._batch_start import Service
from .._caller import Form
from .._faults import invalid_answer
from .._http import Repeated
from .._records import Headers, ResponseInfo
from .._runs_batches import RunsBatches
from .._text import shown
from .._types import NOT_GIVEN, NotGiven, Omit, given
from .._validation import encoded, is_list
from ..types.batch import Batch, BatchListResponse
from ._resource import DirectOptions, Resource, check_keywords, lazy, path_with, raw
from .files import Files

if TYPE_CHECKING:
    from typing_extensions import Unpack

_MOST_IDS = 200  # that the service takes at once


class Batches(Resource, RunsBatches):
    """What ``client.batches`` is.

    Nothing of it is queued, since batches have limits of their own. All methods block for one
    request, and may be called from any thread. They raise InvalidRequestException for an empty
    ``batch_id``, and APIError if the service refused or could not be reached.
    """

    def _service(self) -> Service:
        files, batches = Files(self._caller), self._as(Form.PARSED)
        return Service(files, batches, self._caller.clock)

    def create(
        self,
        *,
        completion_window: str,
        endpoint: Literal["/v1/chat/completions"],
        input_file_id: str,
        metadata: Mapping[str, str] | NotGiven | Omit | None = NOT_GIVEN,
        **options: Unpack[DirectOptions],
    ) -> Batch:
        """Start a batch.

        It is not sent again after a fault that may have come too late: there would be two.

        Args:
            completion_window: From ``"24h"`` to ``"7d"``.
            endpoint: What the requests are for.
            input_file_id: The file with the requests.
            metadata: Words of your own.
            **options: See :class:`DirectOptions`.
        """
        check_keywords(options)
        wanted = {
            "completion_window": completion_window,
            "endpoint": endpoint,
            "input_file_id": input_file_id,
            "metadata": metadata,
            **options,
        }
        call = self._asked(wanted)
        reply, body = self._reply(Batch.wrap), encoded(call.payload)
        made = self._caller.direct("POST", "/batches", call, reply, body=body, is_repeatable=False)
        return cast(Batch, made)

    def retrieve(self, batch_id: str, **options: Unpack[DirectOptions]) -> Batch:
        """Return how a batch stands."""
        path = path_with("/batches", "batch_id", batch_id)
        return cast(Batch, self._direct("GET", path, Batch.wrap, options))

    def list(
        self,
        *,
        cursor: str | NotGiven | Omit | None = NOT_GIVEN,
        limit: int | NotGiven | Omit | None = NOT_GIVEN,
        id: Sequence[str] | str | NotGiven | Omit | None = NOT_GIVEN,
        **options: Unpack[DirectOptions],
    ) -> BatchListResponse:
        """Return a page of the batches of the account, in ``data``.

        Args:
            cursor: ``paging.next_cursor`` of the page before; see :meth:`iterate`.
            limit: How many to a page.
            id: Only these, at most 200.
            **options: See :class:`DirectOptions`.
        """
        ids = [id] if isinstance(id, str) else id
        wanted = {
            "cursor": cursor,
            "limit": limit,
            "id": Repeated(cast(Sequence[str], ids)) if is_list(ids) else ids,
            **mapping("extra_query", given(options).get("extra_query")),
        }
        fields = {name: value for name, value in given(wanted).items() if value is not None}
        asked = {**options, "extra_query": fields}
        found = self._direct("GET", "/batches", BatchListResponse.wrap, asked)
        return cast(BatchListResponse, found)

    def iterate(
        self, *, id: Sequence[str] | None = None, **options: Unpack[DirectOptions]
    ) -> Iterator[Batch]:
        """Yield the batches of the account, or those with these ids, whatever their number.

        Blocks in ``next()`` for a request for each page.
        """
        ids = (
            [None] if id is None else [id[i : i + _MOST_IDS] for i in range(0, len(id), _MOST_IDS)]
        )
        for some in ids:
            cursor: str | None = None
            while True:
                page = self.list(cursor=cursor, id=some, **options)
                yield from _batches_of(page)
                found = page.paging.next_cursor if page.paging else None
                if not isinstance(found, str) or not found or found == cursor:
                    break
                cursor = found

    def cancel(self, batch_id: str, **options: Unpack[DirectOptions]) -> Batch:
        """Cancel a batch; what is done of it by then can be had. It takes up to ten minutes."""
        path = path_with("/batches", "batch_id", batch_id, "/cancel")
        return cast(Batch, self._direct("POST", path, Batch.wrap, options))

    @property
    def with_raw_response(self) -> BatchesWithRawResponse:
        """The same, with HTTP around the answers."""
        return BatchesWithRawResponse(self)

    @property
    def with_streaming_response(self) -> BatchesWithStreamingResponse:
        """The same, with answers that are read when they are asked for."""
        return BatchesWithStreamingResponse(self)


def _batches_of(page: BatchListResponse) -> Sequence[Batch]:
    data: object = page.data or []
    if not (isinstance(data, list) and all(isinstance(batch, Batch) for batch in data)):
        response = ResponseInfo(200, Headers(page.headers), shown(page))
        raise invalid_answer("the answer is no page of batches", response, None)
    return data


class BatchesWithRawResponse:
    """``client.batches.with_raw_response``."""

    def __init__(self, batches: Batches) -> None:
        self.create = raw(batches.create)
        self.retrieve = raw(batches.retrieve)
        self.list = raw(batches.list)
        self.cancel = raw(batches.cancel)


class BatchesWithStreamingResponse:
    """``client.batches.with_streaming_response``."""

    def __init__(self, batches: Batches) -> None:
        self.create = lazy(batches.create)
        self.retrieve = lazy(batches.retrieve)
        self.list = lazy(batches.list)
        self.cancel = lazy(batches.cancel)
