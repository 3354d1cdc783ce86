"""The events of a streamed answer of the Responses API."""

from __future__ import annotations

from ..._objects import APIObject
from .response import Response
from .response_output_item import ResponseOutputItem, ResponseOutputRefusal, ResponseOutputText


class ResponseStreamEvent(APIObject):
    """One event. Its ``type`` tells which of the other fields it has.

    ``response.created``, ``response.in_progress`` and the last one, ``response.completed``,
    ``response.incomplete`` or ``response.failed``, have the ``response``;
    ``response.output_item.added`` and ``.done`` an ``item``; ``response.content_part.added`` and
    ``.done`` a ``part``; ``response.output_text.delta`` and others of that name a ``delta``;
    ``error`` a ``code``, a ``message`` and a ``param``.
    """

    type: str
    sequence_number: int | None
    response: Response | None
    output_index: int | None
    content_index: int | None
    summary_index: int | None
    item_id: str | None
    item: ResponseOutputItem | None
    part: ResponseOutputText | ResponseOutputRefusal | None
    delta: str | None
    text: str | None
    arguments: str | None
    code: str | None
    message: str | None
    param: str | None
