"""Say a text, write down what is said, and see what that takes of the limits of audio."""

from __future__ import annotations

from pathlib import Path
from tempfile import TemporaryDirectory

from _service import service

from customgroqchat import APIStatusError, GroqClient

SPEAKER = "canopylabs/orpheus-v1-english"
LISTENER = "whisper-large-v3-turbo"
TEXT = "All aboard! This train goes to the sea, and it does not stop on the way."


def speak(client: GroqClient, file: Path) -> None:
    """Write a file while it arrives; `create(...).write_to_file(...)` waits for all of it."""
    create = client.audio.speech.with_streaming_response.create
    with create(model=SPEAKER, voice="troy", input=TEXT, response_format="wav") as speech:
        speech.stream_to_file(file)
        print(f"Said:    {file.stat().st_size:,} bytes of {speech.headers['content-type']}")


def listen(client: GroqClient, file: Path) -> None:
    """Print what is said in a file, and when."""
    heard = client.audio.transcriptions.create(
        model=LISTENER,
        file=file,  # or bytes, an open file, a tuple (name, bytes); or url=...
        language="en",
        response_format="verbose_json",
        timestamp_granularities=["segment"],
        deadline=60,
    )
    for segment in heard.segments or []:
        print(f"Heard:  {segment.text}  ({segment.start:.1f} to {segment.end:.1f} s)")


def show_limits(client: GroqClient) -> None:
    print("Left of the limits, in requests, and in seconds of audio by the hour and the day:")
    for name, limit in client.check_model_limits(LISTENER)["limits"].items():
        print(f"  {name}  {limit['remaining']:>7,} of {limit['limit']:,}")


def main() -> None:
    with (
        TemporaryDirectory() as folder,
        service() as connection,
        GroqClient(**connection) as client,
    ):
        file = Path(folder) / "train.wav"
        try:
            speak(client, file)
        except APIStatusError as error:  # the model's terms have to be accepted once
            raise SystemExit(f"{type(error).__name__}: {error}") from None
        listen(client, file)
        show_limits(client)


if __name__ == "__main__":
    main()
