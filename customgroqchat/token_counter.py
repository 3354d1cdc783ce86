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

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from os import PathLike
from pathlib import Path
from typing import NamedTuple

from ._calibration import Key, Origin
from ._calibration_memory import CalibrationMemory
from ._calibrator import CalibrationStatus, Calibrator
from ._token_count import ESTIMATE, MARGIN_GUESSED, TokenCount
from ._token_estimator import estimate_tokens
from ._token_families import IMAGE_TOKENS, UNKNOWN, Family, family_of
from ._token_payload import (
    Texts,
    as_answer,
    as_request,
    check_payload,
    completion_cap,
    read_requests,
    read_texts,
)
from ._token_request import Measure, Request, read_content, read_message, read_messages
from ._token_vocabulary import O200K_BASE, VocabularySpec, count_tokens, load_encoding

__all__ = [
    "DEFAULT_COMPLETION_TOKENS",
    "CalibrationStatus",
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

# By how much the truth may be higher: with a vocabulary, and with an estimate.
_MARGINS = (0.03, 0.08)
_MARGINS_RULE_OF_THUMB = (0.08, 0.12)
# A text on its own has no template around it, whose exact numbers dampen the estimate's error.
_MARGINS_TEXT = (0.03, 0.15)
# Images of 640 to 2,400 tokens were seen.
_MARGIN_IMAGE = 0.60


class _Tokenizer(NamedTuple):
    """How texts are counted, and by what."""

    measure: Measure
    source: str


_ESTIMATOR = _Tokenizer(estimate_tokens, ESTIMATE)


class TokenCounter:
    """Counts the tokens of texts, messages and requests, offline.

    ``vocabulary_dirs`` are folders to look for the vocabulary in, before the usual ones;
    ``use_vocabulary=False`` always estimates. Neither reads anything yet: the first count looks for
    the vocabulary, and blocks for about 0.4 s if there is one that no counter of the process has
    read before. That it is absent is remembered; ``reload`` looks again.

    ``calibrate=False`` learns nothing from what the service charged: see ``observe``. ``memory`` is
    a file that keeps what was learnt between runs, such as the ``limits_file`` of a client; with
    None it ends with the process. The first count of a prompt reads it, and ``observe`` writes to
    it now and then.

    No method blocks otherwise, opens a socket or raises for what a text contains: special tokens,
    lone surrogates and endless whitespace are text. Each may be called from any thread.
    A counter pickles with what it has learnt, without the vocabulary and the memory.

    ``model`` is the name of the model as the service knows it, such as "openai/gpt-oss-20b".
    Without one, a count is made for the dearest template in service.
    """

    def __init__(
        self,
        *,
        vocabulary_dirs: Sequence[str | PathLike[str]] | None = None,
        use_vocabulary: bool = True,
        vocabulary: VocabularySpec = O200K_BASE,
        calibrate: bool = True,
        memory: CalibrationMemory | str | PathLike[str] | None = None,
    ) -> None:
        """Remember where to look; read nothing."""
        self._dirs = [Path(folder) for folder in vocabulary_dirs or ()]
        self._use_vocabulary = use_vocabulary
        self._spec = vocabulary
        # Replaced as a whole, so that no thread sees a function with another's name.
        self._tokenizer: _Tokenizer | None = None
        self._calibrates = calibrate
        if isinstance(memory, (str, PathLike)):
            memory = CalibrationMemory(Path(memory))
        self._calibrator = Calibrator(memory)

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
        return self.source != ESTIMATE

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

    # -- what the service charged ----------------------------------------------------------

    def observe(self, count: object, prompt_tokens: object) -> None:
        """Learn from what a prompt really cost, for the prompts to come.

        ``count`` is what ``count_request``, ``count_messages`` or ``count_prompt`` returned for it,
        ``prompt_tokens`` the number in the answer's usage. Kept apart are models, prompts with
        tools and without, and response formats. Nothing is learnt from a number that cannot be
        right, nor of prompts with images, documents or tools of the service, whose cost tells
        nothing about the next one. A single odd number changes little.

        Any thread may call it. It takes microseconds, and with a memory now and then the time to
        write a small file. It raises nothing, whatever it is given.
        """
        origin = getattr(count, "_origin", None)
        if self._calibrates and isinstance(origin, Origin):
            self._calibrator.observe(origin, prompt_tokens)

    def calibration(self) -> list[CalibrationStatus]:
        """Return what was learnt so far, by model. May read the memory; any thread may call it."""
        return self._calibrator.status()

    def reset_calibration(self, model: str | None = None) -> None:
        """Forget what was learnt about a model, or with None everything; so does the memory.

        Any thread may call it. It raises nothing.
        """
        self._calibrator.reset(model)

    def save_calibration(self) -> None:
        """Write what was learnt since the memory was last written; for the end of a run.

        Does nothing without a memory. Any thread may call it. It raises nothing.
        """
        self._calibrator.save()

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
        count = TokenCount(
            tokens,
            exact=content.plain and tokenizer.source == vocabulary,
            margin=_margin(tokenizer, not (model is None or family.is_known), _MARGINS_TEXT),
            source=tokenizer.source,
        )
        return _with_images(count, content.images)

    def count_message(self, message: Mapping[str, object], model: str | None = None) -> TokenCount:
        """Return the tokens of one message within its frame, without the rest of a prompt.

        ``message`` has a ``role``, a ``content`` and perhaps ``tool_calls``. Raises TypeError if
        it is no mapping.
        """
        tokenizer = self._ready()
        family = _family(model)
        read = read_message(message)
        tokens = family.count_message(read, tokenizer.measure)
        return _judge(tokens, Request((read,)), family, tokenizer)

    def count_messages(
        self, messages: Iterable[Mapping[str, object]], model: str | None = None
    ) -> TokenCount:
        """Return the prompt tokens of a conversation, template and start of the reply included.

        Raises TypeError unless ``messages`` is a list (or another iterable) of mappings.
        """
        return self._count(Request(read_messages(messages)), model)

    def count_prompt(self, prompt: object, model: str | None = None) -> TokenCount:
        """Return the prompt tokens of a text that is sent as one message of the user."""
        return self._count(as_request(prompt), model)

    def count_completion(self, text: object, model: str | None = None) -> TokenCount:
        """Return the completion tokens of an answer, with the markers around it.

        ``text`` is a string, or the whole message with its ``content``, ``reasoning`` and
        ``tool_calls``. A reasoning model is charged for its thoughts, so give them as well: without
        them the count is too low.
        """
        tokenizer = self._ready()
        family = _family(model)
        answer, thoughts = as_answer(text)
        tokens = family.reply + family.count_text(thoughts, tokenizer.measure)
        tokens += family.count_text(answer.content.text, tokenizer.measure)
        tokens += sum(tokenizer.measure(call.name + call.arguments) for call in answer.calls)
        # What the markers cost varies by a token or two: never exact.
        margin = _margin(tokenizer, not family.is_known, _MARGINS_TEXT)
        return TokenCount(tokens, margin=margin, source=tokenizer.source)

    # -- requests -------------------------------------------------------------------------

    def count_request(self, request: Mapping[str, object]) -> TokenCount:
        """Return the prompt tokens of a whole request.

        ``request`` is the payload of a chat completion: ``model`` (or ``model_name``),
        ``messages``, and whatever else costs tokens (``tools``, ``tool_choice``,
        ``response_format``, ``reasoning_effort``, ``documents``). In place of ``messages`` it may
        have a ``prompt``: a string, or a list of strings that are sent one request each; or the
        ``input`` of the Responses API (with ``instructions``, ``tools``, ``text``, ``reasoning``),
        of embeddings (strings, or their tokens as numbers), or of speech.
        Raises TypeError if ``request`` is no mapping or its messages are no messages.
        """
        check_payload(request)
        model = request.get("model") or request.get("model_name")
        texts = read_texts(request, embeds=_family(model).embeds)
        if texts is not None:
            return self._count_texts(texts, model)
        counts = [self._count(one, model) for one in read_requests(request)]
        return counts[0] if len(counts) == 1 else _total(counts)

    def count_request_and_completion(self, request: Mapping[str, object]) -> dict[str, int]:
        """Return ``prompt_tokens``, ``completion_tokens`` and ``total_tokens`` of a request.

        ``prompt_tokens`` is as by ``count_request``. ``completion_tokens`` is the most that the
        answer may have: ``max_completion_tokens``, ``max_output_tokens`` or ``max_tokens`` of the
        request, or ``DEFAULT_COMPLETION_TOKENS`` if it sets none; for a list of prompts, all
        together; 0 where no text is the answer.
        Raises TypeError as ``count_request`` does.
        """
        prompt = self.count_request(request)
        completion = _answers(request) * (completion_cap(request) or DEFAULT_COMPLETION_TOKENS)
        return {
            "prompt_tokens": prompt,
            "completion_tokens": completion,
            "total_tokens": prompt + completion,
        }

    def _count(self, request: Request, model: object) -> TokenCount:
        tokenizer = self._ready()
        family = _family(model)
        tokens = family.count(request, tokenizer.measure)
        count = _judge(tokens, request, family, tokenizer)
        if not (self._calibrates and isinstance(model, str)):
            return count
        if family.is_agent or not request.is_typical:
            return count
        tools, kind = (False, "") if request.plain else (request.calls_tools, request.schema_type)
        key = Key(model, tools, kind, tokenizer.source)
        origin = Origin(key, tokens, count.margin, count.exact, family.is_known)
        return self._calibrated(count, origin)

    def _count_texts(self, texts: Texts, model: object) -> TokenCount:
        tokenizer = self._ready()
        family = _family(model)
        tokens = sum(family.count_text(text, tokenizer.measure) for text in texts.texts)
        tokens += texts.tokens + (family.base * texts.frames if family.embeds else 0)
        margin = _margin(tokenizer, not family.is_known, _MARGINS_TEXT)
        count = TokenCount(tokens, margin=margin, source=tokenizer.source)
        if not (self._calibrates and isinstance(model, str)):
            return count
        key = Key(model, False, "", tokenizer.source)
        return self._calibrated(count, Origin(key, tokens, margin, False, family.is_known))

    def _calibrated(self, count: TokenCount, origin: Origin) -> TokenCount:
        verdict = self._calibrator.judge(origin)
        if verdict is not None:
            tokens, margin, exact = verdict
            count = TokenCount(tokens, exact=exact, margin=margin, source=count.source)
        count._origin = origin
        return count


def _family(model: object) -> Family:
    return family_of(model) if isinstance(model, str) else UNKNOWN


def _judge(tokens: float, request: Request, family: Family, tokenizer: _Tokenizer) -> TokenCount:
    if request.plain:
        exact = tokenizer.source == family.vocabulary
        margin = _margin(tokenizer, not family.is_known, _MARGINS)
        return TokenCount(tokens, exact=exact, margin=margin, source=tokenizer.source)
    margins = _MARGINS if family.renders_tools else _MARGINS_RULE_OF_THUMB
    margin = _margin(tokenizer, request.hosts_tools or not family.is_known, margins)
    count = TokenCount(tokens, margin=margin, source=tokenizer.source)
    return _with_images(count, request.images)


def _with_images(count: TokenCount, images: int) -> TokenCount:
    if not images:
        return count
    seen = IMAGE_TOKENS * images
    margin = (count * count.margin + seen * _MARGIN_IMAGE) / (count + seen)
    return TokenCount(count + seen, margin=margin, source=count.source)


def _margin(tokenizer: _Tokenizer, guessed: bool, margins: tuple[float, float]) -> float:
    return MARGIN_GUESSED if guessed else margins[tokenizer is _ESTIMATOR]


def _total(counts: Sequence[TokenCount]) -> TokenCount:
    return TokenCount(
        sum(counts),
        exact=all(count.exact for count in counts),
        margin=max(count.margin for count in counts),
        source=counts[0].source,
    )


def _answers(request: Mapping[str, object]) -> int:
    """The number of answers in text that a payload asks for."""
    model = request.get("model") or request.get("model_name")
    texts = read_texts(request, embeds=_family(model).embeds)
    return len(read_requests(request)) if texts is None else 0


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
