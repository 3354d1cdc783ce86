"""What transcriptions and translations have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from ..._endpoints import Endpoint
from ..._http import HTTPResponse
from ..._types import is_given
from ...exceptions import InvalidRequestException
from ...types.audio.transcription import Transcription
from ...types.audio.translation import Translation
from .._resource import Resource

if TYPE_CHECKING:
    from ..._multipart import Upload

A = TypeVar("A", Transcription, Translation)

_NO_JSON = ("text", "srt", "vtt")


class Listening(Resource):
    """What transcriptions and translations have in common."""

    def _heard(
        self, endpoint: Endpoint, kind: type[A], file: Any, fields: Mapping[str, Any]
    ) -> Any:
        from ..._audio_length import audio_length  # hardly ever needed, as the next
        from ..._multipart import attachment, form

        call = self._asked(fields)
        payload = {name: value for name, value in call.payload.items() if value is not None}
        endpoint.check(payload)
        files = []
        if is_given(file) and file is not None:
            files.append(("file", attachment("file", file)))
        elif not payload.get("url"):
            raise InvalidRequestException(
                "There is no audio: neither file nor url is given.",
                field="file",
                value="nothing",
                hint="Give file= (bytes, a file object, a path or a tuple), or url=.",
            )
        length = audio_length(files[0][1].content) if files else None

        def upload(model: str) -> Upload:
            made = form({**payload, "model": model}, files)
            if length is None:
                return made
            return made._replace(audio_s=length.seconds, is_exact=length.is_exact)

        whole: Callable[[Any], Any] = kind.wrap
        if payload.get("response_format") in _NO_JSON:
            endpoint, whole = endpoint._replace(accept="text/plain"), _text_of
        call = call._replace(payload={"model": payload.get("model")})
        return self._caller.paced(endpoint, call, self._reply(whole), upload)


def _text_of(response: HTTPResponse) -> str:
    return response.text
