"""Where programs written for the official SDK import things from, and what they find there."""

from __future__ import annotations

import importlib
from typing import get_type_hints

import pytest

import customgroqchat
from customgroqchat import AsyncGroq, BaseModel, GroqError

# What is about asyncio, or the inside of httpx, has nothing to be here.
ROOT = """
    types __version__ __title__ NoneType NotGiven NOT_GIVEN not_given Omit omit Timeout
    RequestOptions Client AsyncClient Stream AsyncStream Groq AsyncGroq file_from_path BaseModel
    DEFAULT_TIMEOUT DEFAULT_MAX_RETRIES DEFAULT_CONNECTION_LIMITS DefaultHttpxClient
"""
ERRORS = """
    GroqError APIError APIStatusError APITimeoutError APIConnectionError
    APIResponseValidationError BadRequestError AuthenticationError PermissionDeniedError
    NotFoundError ConflictError UnprocessableEntityError RateLimitError InternalServerError
"""
ANSWERS = {
    "types": """
        BatchCancelResponse BatchCreateResponse BatchListResponse BatchRetrieveResponse
        CompletionUsage CreateEmbeddingResponse Embedding ErrorObject FileCreateResponse
        FileDeleteResponse FileInfoResponse FileListResponse FunctionDefinition Model
        ModelDeleted ModelListResponse
    """,
    "types.audio": "Transcription Translation",
    "types.chat": """
        ChatCompletion ChatCompletionChunk ChatCompletionMessage ChatCompletionMessageToolCall
        ChatCompletionTokenLogprob
    """,
    "types.chat.chat_completion": "ChatCompletion Choice ChoiceLogprobs",
    "types.chat.chat_completion_chunk": """
        ChatCompletionChunk Choice ChoiceDelta ChoiceDeltaToolCall ChoiceDeltaToolCallFunction
        XGroq
    """,
    "types.chat.chat_completion_message_tool_call": "ChatCompletionMessageToolCall Function",
    "types.completion_usage": "CompletionUsage",
    "types.create_embedding_response": "CreateEmbeddingResponse Usage",
    "types.batch_create_response": "BatchCreateResponse",
    "types.batch_retrieve_response": "BatchRetrieveResponse",
    "types.batch_list_response": "BatchListResponse",
    "types.batch_cancel_response": "BatchCancelResponse",
    "types.file_create_response": "FileCreateResponse",
    "types.file_delete_response": "FileDeleteResponse",
    "types.file_info_response": "FileInfoResponse",
    "types.file_list_response": "FileListResponse",
    "types.model_deleted": "ModelDeleted",
    "types.model_list_response": "ModelListResponse",
    "types.shared": "ErrorObject FunctionDefinition",
}
PARAMETERS = {
    "types": "BatchCreateParams EmbeddingCreateParams FileCreateParams",
    "types.audio": "SpeechCreateParams TranscriptionCreateParams TranslationCreateParams",
    "types.chat": """
        ChatCompletionAssistantMessageParam ChatCompletionContentPartImageParam
        ChatCompletionContentPartTextParam ChatCompletionFunctionCallOptionParam
        ChatCompletionFunctionMessageParam ChatCompletionMessageToolCallParam
        ChatCompletionNamedToolChoiceParam ChatCompletionSystemMessageParam
        ChatCompletionToolMessageParam ChatCompletionToolParam ChatCompletionUserMessageParam
    """,
    "types.chat.chat_completion_content_part_image_param": "ImageURL",
    "types.chat.chat_completion_message_tool_call_param": "Function",
    "types.shared_params": "FunctionDefinition",
}
OTHERS = {
    "types": "FunctionParameters",
    "types.chat": """
        ChatCompletionContentPartParam ChatCompletionMessageParam ChatCompletionRole
        ChatCompletionToolChoiceOptionParam CompletionCreateParams
    """,
    "types.chat.completion_create_params": "CompletionCreateParams ResponseFormat",
    "types.shared.function_parameters": "FunctionParameters",
    "types.shared_params": "FunctionParameters",
    "resources": """
        Audio Batches Chat Embeddings Files Models AudioWithRawResponse ChatWithRawResponse
        FilesWithStreamingResponse
    """,
    "resources.chat": "Chat Completions CompletionsWithRawResponse completions",
    "resources.chat.completions": "Completions CompletionsWithStreamingResponse",
    "resources.audio": "Audio Speech Transcriptions Translations",
    "resources.audio.speech": "Speech",
    "resources.audio.transcriptions": "Transcriptions",
    "resources.audio.translations": "Translations",
    "resources.batches": "Batches",
    "resources.embeddings": "Embeddings",
    "resources.files": "Files",
    "resources.models": "Models",
    "_response": "APIResponse BinaryAPIResponse StreamedAPIResponse StreamedBinaryAPIResponse",
    "_types": "NOT_GIVEN NotGiven Omit not_given omit",
    "_exceptions": ERRORS,
    "_streaming": "Stream",
    "_constants": "DEFAULT_MAX_RETRIES DEFAULT_TIMEOUT",
    "_models": "BaseModel",
}


def rows(table: dict[str, str]) -> list[tuple[str, str]]:
    return [(place, name) for place, names in table.items() for name in names.split()]


def imported(place: str, name: str) -> object:
    module = importlib.import_module(f"customgroqchat.{place}" if place else "customgroqchat")
    return getattr(module, name)


@pytest.mark.parametrize("name", [*ROOT.split(), *ERRORS.split()])
def test_a_name_of_the_package(name: str) -> None:
    assert getattr(customgroqchat, name) is not None


@pytest.mark.parametrize("name", ERRORS.split())
def test_an_error_is_caught_by_its_base(name: str) -> None:
    assert issubclass(getattr(customgroqchat, name), GroqError)


@pytest.mark.parametrize(("place", "name"), rows(ANSWERS))
def test_a_class_of_answers_can_be_made_and_asked(place: str, name: str) -> None:
    kind = imported(place, name)
    assert isinstance(kind, type)
    assert issubclass(kind, BaseModel)
    fields = [field for field in get_type_hints(kind) if not hasattr(kind, field)]
    assert fields
    made = kind.model_construct(**{fields[0]: "told"})
    assert getattr(made, fields[0]) == "told"
    assert [getattr(made, field) for field in fields[1:]] == [None] * (len(fields) - 1)


@pytest.mark.parametrize(("place", "name"), rows(PARAMETERS))
def test_a_type_of_parameters_makes_plain_dicts(place: str, name: str) -> None:
    kind = imported(place, name)
    assert get_type_hints(kind)
    assert callable(kind)
    assert type(kind()) is dict


@pytest.mark.parametrize(("place", "name"), rows(OTHERS))
def test_another_name(place: str, name: str) -> None:
    assert imported(place, name) is not None


@pytest.mark.parametrize(
    ("place", "name", "same"),
    [
        ("_exceptions", "RateLimitError", customgroqchat.RateLimitError),
        ("_streaming", "Stream", customgroqchat.Stream),
        ("_models", "BaseModel", customgroqchat.BaseModel),
        ("_types", "NOT_GIVEN", customgroqchat.NOT_GIVEN),
        ("types.chat", "ChatCompletion", customgroqchat.ChatCompletion),
        ("types", "CompletionUsage", customgroqchat.CompletionUsage),
        ("", "Client", customgroqchat.Groq),
    ],
)
def test_a_name_means_the_same_wherever_it_is_imported_from(
    place: str, name: str, same: object
) -> None:
    assert imported(place, name) is same


def test_the_resources_of_a_client_are_of_the_classes_that_are_patched() -> None:
    places = {
        "chat.completions": ("resources.chat.completions", "Completions"),
        "audio.transcriptions": ("resources.audio.transcriptions", "Transcriptions"),
        "embeddings": ("resources.embeddings", "Embeddings"),
        "models": ("resources.models", "Models"),
    }
    with customgroqchat.Groq(api_key="gsk_names") as client:
        for path, (place, name) in places.items():
            resource: object = client
            for step in path.split("."):
                resource = getattr(resource, step)
            assert type(resource) is imported(place, name)


def test_who_wants_the_asynchronous_client_is_told_what_there_is() -> None:
    with pytest.raises(TypeError, match=r"asyncio\.to_thread"):
        AsyncGroq(api_key="gsk_names")
