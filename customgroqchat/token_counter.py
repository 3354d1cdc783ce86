"""TokenCounter: how many tokens a request will cost, before it is sent.

Three things decide it: the vocabulary, the template in which the model reads a conversation, and
whatever no text tells, such as images. ``TokenCounter`` counts with the published vocabulary
where this machine has a verified copy of it, estimates where it has none, and knows the templates
of the models in service. It never uses the network and never waits for it::

    from customgroqchat.token_counter import TokenCounter

    count = TokenCounter().count_request(
        {"model": "openai/gpt-oss-20b", "messages": [{"role": "user", "content": "Hello world!"}]}
    )
    int(count), count.exact, count.upper

Everything here may be called from any thread.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from typing import NamedTuple

from ._token_estimator import estimate_tokens
from ._token_families import IMAGE_TOKENS, UNKNOWN, Family, family_of
from ._token_request import (
    Measure,
    Message,
    Request,
    read_content,
    read_message,
    read_messages,
    read_request,
)
from ._token_vocabulary import O200K_BASE, VocabularySpec, count_tokens, load_encoding

__all__ = [
    "DEFAULT_COMPLETION_TOKENS",
    "TokenCount",
    "TokenCounter",
    "count_request_and_completion_tokens",
    "count_tokens_in_message",
    "count_tokens_in_messages",
    "count_tokens_in_prompt",
    "count_tokens_in_request",
]

#: The answer's length where a request sets no cap: a guess, of the size of a long answer.
DEFAULT_COMPLETION_TOKENS = 1024

_ESTIMATE = "estimate"
# By how much the truth may be higher: with a vocabulary, and with an estimate.
_MARGINS = (0.03, 0.08)
_MARGINS_RULE_OF_THUMB = (0.08, 0.12)
# A text on its own has no template around it, whose exact numbers dampen the estimate's error.
_MARGINS_TEXT = (0.03, 0.15)
_MARGIN_GUESSED = 0.30


class TokenCount(int):
    """A number of tokens that knows how good it is.

    It is an ``int`` in every other way: compare it, add it, put it into JSON. Arithmetic gives
    plain ints. Immutable in use, and it pickles.

    ``exact``: counted with the vocabulary of the model, in a template that is known.
    ``margin``: the fraction by which the truth may be higher; 0.0 if exact.
    ``source``: the vocabulary's name, or "estimate".
    """

    exact: bool
    margin: float
    source: str

    def __new__(
        cls,
        value: float,
        *,
        exact: bool = False,
        margin: float = _MARGIN_GUESSED,
        source: str = _ESTIMATE,
    ) -> TokenCount:
        """Make a count of ``value`` tokens, rounded to a whole number."""
        self = super().__new__(cls, round(value))
        self.exact = exact
        self.margin = 0.0 if exact else margin
        self.source = source
        return self

    @property
    def upper(self) -> int:
        """The tokens to reserve: the count with its margin, rounded up."""
        return math.ceil(self * (1 + self.margin))

    def __getnewargs_ex__(self) -> tuple[tuple[int], dict[str, object]]:
        return (int(self),), {"exact": self.exact, "margin": self.margin, "source": self.source}

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}({int(self)}, exact={self.exact}, "
            f"margin={self.margin}, source={self.source!r})"
        )

    __str__ = int.__repr__


class _Tokenizer(NamedTuple):
    """How texts are counted, and by what."""

    measure: Measure
    source: str


_ESTIMATOR = _Tokenizer(estimate_tokens, _ESTIMATE)


class TokenCounter:
    """Counts the tokens of texts, messages and requests, offline.

    ``vocabulary_dirs`` are folders to look for the vocabulary in, before the usual ones;
    ``use_vocabulary=False`` always estimates. Neither reads anything yet: the first count looks for
    the vocabulary, and blocks for about 0.4 s if there is one that no counter of the process has
    read before. That it is absent is remembered; ``reload`` looks again.

    No method blocks otherwise, opens a socket or raises for what a text contains: special tokens,
    lone surrogates and endless whitespace are text. Each may be called from any thread.
    A counter pickles, without the vocabulary.

    ``model`` is the name of the model as the service knows it, such as "openai/gpt-oss-20b".
    Without one, a count is made for the dearest template in service.
    """

    def __init__(
        self,
        *,
        vocabulary_dirs: Sequence[str | PathLike[str]] | None = None,
        use_vocabulary: bool = True,
        vocabulary: VocabularySpec = O200K_BASE,
    ) -> None:
        """Remember where to look; read nothing."""
        self._dirs = [Path(folder) for folder in vocabulary_dirs or ()]
        self._use_vocabulary = use_vocabulary
        self._spec = vocabulary
        # Replaced as a whole, so that no thread sees a function with another's name.
        self._tokenizer: _Tokenizer | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(source={self.source!r})"

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_tokenizer": None}

    # -- the vocabulary -------------------------------------------------------------------

    @property
    def source(self) -> str:
        """What texts are counted by now: the vocabulary's name, or "estimate". Reads nothing.

        Before the first count it is "estimate", whatever that count will find.
        """
        return (self._tokenizer or _ESTIMATOR).source

    @property
    def exact(self) -> bool:
        """Whether a vocabulary is in use now. Reads nothing."""
        return self.source != _ESTIMATE

    def reload(self) -> bool:
        """Look for the vocabulary now, and return whether there is one.

        Reads files, and blocks for about 0.4 s if it finds the vocabulary for the first time in
        the process. Call it at start-up to keep that out of the first request, or after a
        vocabulary has been installed. Any thread may call it. It raises nothing.
        """
        encoding = load_encoding(self._spec, self._dirs) if self._use_vocabulary else None
        self._tokenizer = (
            _Tokenizer(partial(count_tokens, encoding), self._spec.name) if encoding else _ESTIMATOR
        )
        return encoding is not None

    def _ready(self) -> _Tokenizer:
        if self._tokenizer is None:
            self.reload()
        return self._tokenizer or _ESTIMATOR

    # -- texts and messages ---------------------------------------------------------------

    def count_text(self, text: object, model: str | None = None) -> TokenCount:
        """Return the tokens of a text alone, with no template around it.

        ``text`` is a string, or the ``content`` of a message: None, or a list of parts.
        """
        tokenizer = self._ready()
        content = read_content(text)
        family = _family(model)
        tokens = family.count_text(content.text, tokenizer.measure)
        # Without a model, ours is the vocabulary that is meant, and there is no template to know.
        vocabulary = self._spec.name if model is None else family.vocabulary
        guessed = bool(content.images) or not (model is None or family.is_known)
        return _verdict(
            tokens + IMAGE_TOKENS * content.images,
            tokenizer.source,
            exact=content.plain and tokenizer.source == vocabulary,
            margin=_margin(tokenizer, guessed, _MARGINS_TEXT),
        )

    def count_message(self, message: Mapping[str, object], model: str | None = None) -> TokenCount:
        """Return the tokens of one message within its frame, without the rest of a prompt.

        ``message`` has a ``role``, a ``content`` and perhaps ``tool_calls``. Raises TypeError if
        it is no mapping.
        """
        tokenizer = self._ready()
        family = _family(model)
        read = read_message(message)
        tokens = family.count_message(read, tokenizer.measure)
        return self._judge(tokens, Request((read,)), family, tokenizer)

    def count_messages(
        self, messages: Iterable[Mapping[str, object]], model: str | None = None
    ) -> TokenCount:
        """Return the prompt tokens of a conversation, template and start of the reply included.

        Raises TypeError unless ``messages`` is a list (or another iterable) of mappings.
        """
        return self._count(Request(read_messages(messages)), _family(model))

    def count_prompt(self, prompt: object, model: str | None = None) -> TokenCount:
        """Return the prompt tokens of a text that is sent as one message of the user."""
        return self._count(_as_request(prompt), _family(model))

    def count_completion(self, text: object, model: str | None = None) -> TokenCount:
        """Return the completion tokens of an answer, with the markers around it.

        ``text`` is a string, or the whole message with its ``content``, ``reasoning`` and
        ``tool_calls``. A reasoning model is charged for its thoughts, so give them as well: without
        them the count is too low.
        """
        tokenizer = self._ready()
        family = _family(model)
        answer, thoughts = _as_answer(text)
        tokens = family.reply + family.count_text(thoughts, tokenizer.measure)
        tokens += family.count_text(answer.content.text, tokenizer.measure)
        tokens += sum(tokenizer.measure(call.name + call.arguments) for call in answer.calls)
        # What the markers cost varies by a token or two: never exact.
        return _verdict(
            tokens,
            tokenizer.source,
            exact=False,
            margin=_margin(tokenizer, not family.is_known, _MARGINS_TEXT),
        )

    # -- requests -------------------------------------------------------------------------

    def count_request(self, request: Mapping[str, object]) -> TokenCount:
        """Return the prompt tokens of a whole request.

        ``request`` is the payload of a chat completion: ``model`` (or ``model_name``),
        ``messages``, and whatever else costs tokens (``tools``, ``tool_choice``,
        ``response_format``, ``reasoning_effort``, ``documents``). In place of ``messages`` it may
        have a ``prompt``: a string, or a list of strings that are sent one request each.
        Raises TypeError if ``request`` is no mapping or its messages are no messages.
        """
        _check(request)
        family = _family(request.get("model") or request.get("model_name"))
        prompts = _prompts(request)
        if not prompts:
            return self._count(read_request(request), family)
        return _total([self._count(_as_request(prompt), family) for prompt in prompts])

    def count_request_and_completion(self, request: Mapping[str, object]) -> dict[str, int]:
        """Return ``prompt_tokens``, ``completion_tokens`` and ``total_tokens`` of a request.

        ``prompt_tokens`` is as by ``count_request``. ``completion_tokens`` is the most that the
        answer may have: ``max_completion_tokens`` or ``max_tokens`` of the request, or
        ``DEFAULT_COMPLETION_TOKENS`` if it sets neither; for a list of prompts, all together.
        Raises TypeError as ``count_request`` does.
        """
        prompt = self.count_request(request)
        completion = _completion_cap(request) * max(1, len(_prompts(request)))
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
        }

    def _count(self, request: Request, family: Family) -> TokenCount:
        tokenizer = self._ready()
        return self._judge(family.count(request, tokenizer.measure), request, family, tokenizer)

    def _judge(
        self, tokens: float, request: Request, family: Family, tokenizer: _Tokenizer
    ) -> TokenCount:
        images, plain = request.images, request.plain
        margins = _MARGINS if plain or family.renders_tools else _MARGINS_RULE_OF_THUMB
        return _verdict(
            tokens + IMAGE_TOKENS * images,
            tokenizer.source,
            exact=plain and tokenizer.source == family.vocabulary,
            margin=_margin(tokenizer, bool(images) or not family.is_known, margins),
        )


def _family(model: object) -> Family:
    return family_of(model) if isinstance(model, str) else UNKNOWN


def _margin(tokenizer: _Tokenizer, guessed: bool, margins: tuple[float, float]) -> float:
    return _MARGIN_GUESSED if guessed else margins[tokenizer is _ESTIMATOR]


def _verdict(tokens: float, source: str, *, exact: bool, margin: float) -> TokenCount:
    return TokenCount(tokens, exact=exact, margin=margin, source=source)


def _total(counts: Sequence[TokenCount]) -> TokenCount:
    return _verdict(
        sum(counts),
        counts[0].source,
        exact=all(count.exact for count in counts),
        margin=max(count.margin for count in counts),
    )


def _check(request: object) -> None:
    if not isinstance(request, Mapping):
        raise TypeError(
            "a request must be a mapping such as {'model': ..., 'messages': [...]}, "
            f"not {type(request).__name__}"
        )


def _prompts(request: Mapping[str, object]) -> list[object]:
    """The prompts of a text completion, which is a request for each; none for a chat."""
    prompt = request.get("prompt")
    if prompt is None or request.get("messages") is not None:
        return []
    return list(prompt) if isinstance(prompt, (list, tuple)) else [prompt]


def _as_request(prompt: object) -> Request:
    return Request((Message("user", read_content(prompt)),))


def _as_answer(text: object) -> tuple[Message, str]:
    if not isinstance(text, Mapping):
        return Message("assistant", read_content(text)), ""
    return read_message(text), read_content(text.get("reasoning")).text


def _completion_cap(request: Mapping[str, object]) -> int:
    for key in ("max_completion_tokens", "max_tokens"):
        cap = request.get(key)
        if isinstance(cap, int) and not isinstance(cap, bool) and cap > 0:
            return cap
    return DEFAULT_COMPLETION_TOKENS


_default_counter = TokenCounter()


def count_tokens_in_message(message: Mapping[str, object], model: str | None = None) -> TokenCount:
    """Return the tokens of one message; see ``TokenCounter.count_message``."""
    return _default_counter.count_message(message, model)


def count_tokens_in_messages(
    messages: Iterable[Mapping[str, object]], model: str | None = None
) -> TokenCount:
    """Return the prompt tokens of a conversation; see ``TokenCounter.count_messages``."""
    return _default_counter.count_messages(messages, model)


def count_tokens_in_prompt(prompt: object, model: str | None = None) -> TokenCount:
    """Return the prompt tokens of a single text; see ``TokenCounter.count_prompt``."""
    return _default_counter.count_prompt(prompt, model)


def count_tokens_in_request(request: Mapping[str, object]) -> TokenCount:
    """Return the prompt tokens of a request; see ``TokenCounter.count_request``."""
    return _default_counter.count_request(request)


def count_request_and_completion_tokens(request: Mapping[str, object]) -> dict[str, int]:
    """Return what a request may cost; see ``TokenCounter.count_request_and_completion``."""
    return _default_counter.count_request_and_completion(request)
