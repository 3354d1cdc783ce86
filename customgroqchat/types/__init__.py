"""The classes of answers and the types of parameters, laid out as in the official SDK.

Answers are dicts with attributes; parameters are described by ``TypedDict``. All of it is loaded
when it is asked for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from . import audio as audio
    from . import chat as chat
    from . import responses as responses
    from . import shared as shared
    from . import shared_params as shared_params
    from .batch import Batch as Batch
    from .batch import BatchCancelResponse as BatchCancelResponse
    from .batch import BatchCreateResponse as BatchCreateResponse
    from .batch import BatchListResponse as BatchListResponse
    from .batch import BatchRetrieveResponse as BatchRetrieveResponse
    from .batch_create_params import BatchCreateParams as BatchCreateParams
    from .completion_usage import CompletionUsage as CompletionUsage
    from .embedding import CreateEmbeddingResponse as CreateEmbeddingResponse
    from .embedding import Embedding as Embedding
    from .embedding_create_params import EmbeddingCreateParams as EmbeddingCreateParams
    from .file_create_params import FileCreateParams as FileCreateParams
    from .file_object import FileCreateResponse as FileCreateResponse
    from .file_object import FileDeleteResponse as FileDeleteResponse
    from .file_object import FileInfoResponse as FileInfoResponse
    from .file_object import FileListResponse as FileListResponse
    from .file_object import FileObject as FileObject
    from .model import Model as Model
    from .model import ModelDeleted as ModelDeleted
    from .model import ModelList as ModelList
    from .model import ModelListResponse as ModelListResponse
    from .model import ModelPricing as ModelPricing
    from .shared import ErrorObject as ErrorObject
    from .shared import FunctionDefinition as FunctionDefinition
    from .shared import FunctionParameters as FunctionParameters
    from .text_completion import TextChoice as TextChoice
    from .text_completion import TextCompletion as TextCompletion
else:
    from .._lazy import lazy_exports

    __all__, __getattr__, __dir__ = lazy_exports(
        __name__,
        {
            "audio": "",
            "batch": "Batch BatchCancelResponse BatchCreateResponse BatchListResponse "
            "BatchRetrieveResponse",
            "batch_create_params": "BatchCreateParams",
            "chat": "",
            "completion_usage": "CompletionUsage",
            "embedding": "CreateEmbeddingResponse Embedding",
            "embedding_create_params": "EmbeddingCreateParams",
            "file_create_params": "FileCreateParams",
            "file_object": "FileCreateResponse FileDeleteResponse FileInfoResponse "
            "FileListResponse FileObject",
            "model": "Model ModelDeleted ModelList ModelListResponse ModelPricing",
            "responses": "",
            "shared": "ErrorObject FunctionDefinition FunctionParameters",
            "shared_params": "",
            "text_completion": "TextChoice TextCompletion",
        },
    )
