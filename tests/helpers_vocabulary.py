"""A vocabulary of the 256 bytes and a few merges, with its own hash. The real one has 3.6 MB."""

from __future__ import annotations

import hashlib
from base64 import b64encode

from customgroqchat._token_vocabulary import O200K_BASE, VocabularySpec

MERGES = [b"th", b"the", b" the", b"<|", b"|>"]
TOKENS = [bytes([byte]) for byte in range(256)] + MERGES
FILE = b"".join(b64encode(token) + b" %d\n" % rank for rank, token in enumerate(TOKENS))

TINY = VocabularySpec(
    name=O200K_BASE.name,
    sha256=hashlib.sha256(FILE).hexdigest(),
    size=len(FILE),
    file_names=("tiny.tiktoken", "cached-under-a-hash"),
    pattern=O200K_BASE.pattern,
    address="https://vocabulary.invalid/tiny.tiktoken",
)
