"""``CreateEmbeddingResponse``, where the official SDK has it."""

from .embedding import CreateEmbeddingResponse as CreateEmbeddingResponse
from .embedding import Usage as Usage
