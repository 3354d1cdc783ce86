"""What editors and type checkers know of programs that use the package.

This is never run: ``test_typing.py`` has mypy and pyright read it, in their strictest modes. Where
a line is wrong on purpose, its ``ignore`` shows that they tell, for one that is not needed is an
error too.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from customgroqchat import APIObject, GroqClient, Stream
from customgroqchat.types import (
    Batch,
    BatchCreateResponse,
    CompletionUsage,
    CreateEmbeddingResponse,
    FileCreateResponse,
    FileObject,
    Model,
    TextCompletion,
)
from customgroqchat.types.audio import Transcription, Translation
from customgroqchat.types.chat import (
    ChatCompletion,
    ChatCompletionChunk,
    ChatCompletionMessage,
    ChatCompletionMessageParam,
    ChatCompletionMessageToolCall,
    ChatCompletionToolParam,
)
from customgroqchat.types.chat.chat_completion import Choice
from customgroqchat.types.responses import Response, ResponseOutputMessage, ResponseStreamEvent

if TYPE_CHECKING:
    from typing_extensions import assert_type

MODEL = "openai/gpt-oss-20b"


def what_an_answer_is(completion: ChatCompletion) -> None:
    assert_type(completion.choices, list[Choice])
    choice = completion.choices[0]
    assert_type(choice.finish_reason, Literal["stop", "length", "tool_calls", "function_call"])
    assert_type(choice.message, ChatCompletionMessage)
    assert_type(choice.message.content, str | None)
    assert_type(choice.message.tool_calls, list[ChatCompletionMessageToolCall] | None)
    for call in choice.message.tool_calls or []:
        assert_type(call.function.arguments, str)
    for tool in choice.message.executed_tools or []:
        assert_type(tool.output, str | None)
    assert_type(completion.usage, CompletionUsage | None)
    if completion.usage:
        assert_type(completion.usage.total_tokens, int)
        assert_type(completion.usage.queue_time, float | None)
        if details := completion.usage.prompt_tokens_details:
            assert_type(details.cached_tokens, int | None)
    if completion.x_groq:
        assert_type(completion.x_groq.id, str)


def what_an_answer_knows_and_does(completion: ChatCompletion) -> None:
    assert_type(completion.request_id, str | None)
    assert_type(completion.headers, Mapping[str, str])
    assert_type(completion.attempts, int)
    assert_type(completion.waited_s, float)
    for dimension, rate in completion.rate_limits.items():
        assert_type(dimension, str)
        assert_type(rate.remaining, int)
        assert_type(rate.reset_s, float | None)
    assert_type(completion.model_dump(exclude_none=True), dict[str, Any])
    assert_type(completion.to_dict(), dict[str, Any])
    assert_type(completion.to_json(indent=None), str)
    assert_type(completion.model_copy(deep=True), ChatCompletion)
    assert_type(completion.copy(), ChatCompletion)
    assert_type(ChatCompletion.model_validate({}), ChatCompletion)
    assert_type(completion["choices"][0]["message"]["content"], Any)
    assert_type(completion.get("field_of_tomorrow"), Any | None)
    accepted: dict[str, Any] = completion
    assert accepted is completion


def misspelt_names_are_told(client: GroqClient, completion: ChatCompletion) -> None:
    print(completion.choises)  # type: ignore[attr-defined]  # pyright: ignore
    print(completion.choices[0].mesage)  # type: ignore[attr-defined]  # pyright: ignore
    print(completion.usage.total_tokens)  # type: ignore[union-attr]  # pyright: ignore
    client.chat.completions.create(messages=[])  # type: ignore[call-overload]  # pyright: ignore


def what_a_conversation_is(client: GroqClient) -> None:
    messages: list[ChatCompletionMessageParam] = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
    ]
    tools: list[ChatCompletionToolParam] = [
        {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
    ]
    answer = client.chat.completions.create(
        model=MODEL, messages=messages, tools=tools, tool_choice="auto", temperature=0
    )
    assert_type(answer, ChatCompletion)
    plain = [{"role": "user", "content": "Hi"}]
    assert_type(client.chat.completions.create(model=MODEL, messages=plain), ChatCompletion)
    said = [answer.choices[0].message]
    assert_type(client.chat.completions.create(model=MODEL, messages=said), ChatCompletion)


def how_streams_are_told_apart(client: GroqClient, either: bool) -> None:
    create, messages = client.chat.completions.create, [{"role": "user", "content": "Hi"}]
    assert_type(create(model=MODEL, messages=messages, stream=False), ChatCompletion)
    assert_type(create(model=MODEL, messages=messages, stream=None), ChatCompletion)
    stream = create(model=MODEL, messages=messages, stream=True)
    assert_type(stream, Stream[ChatCompletionChunk])
    for chunk in stream:
        assert_type(chunk, ChatCompletionChunk)
        assert_type(chunk.choices[0].delta.content, str | None)
        for piece in chunk.choices[0].delta.tool_calls or []:
            assert_type(piece.index, int)
        if chunk.x_groq:
            assert_type(chunk.x_groq.usage, CompletionUsage | None)
            assert_type(chunk.x_groq.error, str | None)
    with create(model=MODEL, messages=messages, stream=True) as entered:
        assert_type(entered, Stream[ChatCompletionChunk])
    assert_type(
        create(model=MODEL, messages=messages, stream=either),
        ChatCompletion | Stream[ChatCompletionChunk],
    )


def the_clients_own_methods(client: GroqClient) -> None:
    messages = [{"role": "user", "content": "Hi"}]
    assert_type(client.chat_completion(MODEL, messages), ChatCompletion)
    assert_type(client.chat_completion(MODEL, messages, priority="high"), ChatCompletion)
    assert_type(client.chat_completion(MODEL, messages, stream=True), Stream[ChatCompletionChunk])
    assert_type(client.text_completion(MODEL, "Hi").choices[0].text, str)
    assert_type(client.text_completion(MODEL, "Hi", stream=True), Stream[TextCompletion])


def models_files_and_batches(client: GroqClient) -> None:
    assert_type(client.models.list().data, list[Model])
    assert_type(client.models.list().data[0].id, str)
    model = client.models.retrieve(MODEL)
    assert_type(model.context_window, int | None)
    if model.pricing:
        assert_type(model.pricing.prompt, str | None)
    assert_type(client.models.delete("mine").deleted, bool)
    file = client.files.create(file=("b.jsonl", b"{}"), purpose="batch")
    assert_type(file, FileObject)
    assert_type(file.id, str | None)
    created: FileCreateResponse = file
    assert_type(client.files.list().data, list[FileObject])
    assert_type(client.files.delete("file_1").deleted, bool)
    assert_type(client.files.content("file_1").read(), bytes)
    batch = client.batches.create(
        input_file_id=created.id or "", endpoint="/v1/chat/completions", completion_window="24h"
    )
    assert_type(batch, Batch)
    same: BatchCreateResponse = client.batches.retrieve(batch.id)
    if same.status == "completed" and same.request_counts:
        assert_type(same.request_counts.failed, int)
    assert_type(client.batches.list().data, list[Batch])


def speech_and_vectors(client: GroqClient) -> None:
    heard = client.audio.transcriptions.create(model="whisper-large-v3", file=("a.wav", b""))
    assert_type(heard, Transcription)
    for word in heard.words or []:
        assert_type(word.start, float)
    translated = client.audio.translations.create(model="whisper-large-v3", url="https://a.b/c.mp3")
    assert_type(translated, Translation)
    assert_type(translated.text, str)
    spoken = client.audio.speech.create(model="orpheus", input="Hi", voice="hannah")
    assert_type(spoken.read(), bytes)
    vectors = client.embeddings.create(model="nomic-embed-text-v1_5", input=["a", "b"])
    assert_type(vectors, CreateEmbeddingResponse)
    assert_type(vectors.data[0].embedding, list[float] | str)


def responses_and_their_items(client: GroqClient) -> None:
    response = client.responses.create(model=MODEL, input="Hi")
    assert_type(response, Response)
    assert_type(response.output_text, str)
    for item in response.output:
        if item.type == "message":
            assert_type(item, ResponseOutputMessage)
        elif item.type == "function_call":
            assert_type(item.arguments, str)
    for event in client.responses.create(model=MODEL, input="Hi", stream=True):
        assert_type(event, ResponseStreamEvent)
        assert_type(event.delta, str | None)


def answers_with_their_http(client: GroqClient) -> None:
    messages = [{"role": "user", "content": "Hi"}]
    raw = client.chat.completions.with_raw_response.create(model=MODEL, messages=messages)
    assert_type(raw.status_code, int)
    assert_type(raw.parse(), ChatCompletion)
    with client.models.with_streaming_response.list() as lazy:
        assert_type(lazy.parse().data, list[Model])


def objects_of_any_kind(data: Mapping[str, Any]) -> None:
    anything = APIObject.wrap(data)
    assert_type(anything["a"]["b"], Any)
    match ChatCompletion.wrap(data):
        case ChatCompletion(model=str(), choices=[Choice(index=0, message=message), *_]):
            assert_type(message, ChatCompletionMessage)
        case _:
            pass
