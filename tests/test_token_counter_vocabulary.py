"""The vocabulary: found only where it is right, counted with safely, never downloaded.

The real file has 3.6 MB and is not in the repository, so these tests make a vocabulary of the 256
bytes and a few merges, with a hash of its own.
"""

import builtins
import importlib.machinery
import os
import pickle
import select
import signal
import socket
import sys
import tempfile
import threading
from pathlib import Path

import pytest
import tiktoken
from helpers_vocabulary import FILE, TINY

from customgroqchat import _token_vocabulary
from customgroqchat._token_vocabulary import (
    O200K_BASE,
    count_tokens,
    load_encoding,
)
from customgroqchat.token_counter import TokenCounter

OSS = "openai/gpt-oss-20b"


@pytest.fixture
def spec():
    return TINY


@pytest.fixture(autouse=True)
def bare_machine(tmp_path, monkeypatch):
    """No vocabulary anywhere, and no network."""
    monkeypatch.setattr(_token_vocabulary, "_encodings", {})
    for variable in ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "cache"))
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(sys, "path", [p for p in sys.path if not (Path(p) / "litellm").exists()])

    def refuse(*args, **kwargs):
        raise AssertionError("the network, or what would use it")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(tiktoken, "get_encoding", refuse)


def put(folder, name="tiny.tiktoken", data=FILE):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(data)
    return folder


class TestFinding:
    def test_nothing_is_found_on_a_bare_machine(self, spec, tmp_path):
        assert load_encoding(spec, [tmp_path]) is None

    @pytest.mark.parametrize("name", ["tiny.tiktoken", "cached-under-a-hash"])
    def test_in_a_given_folder(self, spec, tmp_path, name):
        assert load_encoding(spec, [tmp_path / "no", put(tmp_path / "yes", name)]) is not None

    @pytest.mark.parametrize("variable", ["TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"])
    def test_in_the_cache_of_tiktoken(self, spec, tmp_path, monkeypatch, variable):
        monkeypatch.setenv(variable, str(put(tmp_path / "named")))
        assert load_encoding(spec) is not None

    def test_an_empty_variable_names_no_folder(self, spec, tmp_path, monkeypatch):
        put(tmp_path)
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv("TIKTOKEN_CACHE_DIR", "")
        assert load_encoding(spec) is None

    def test_in_the_temporary_folder(self, spec, tmp_path):
        put(tmp_path / "temporary" / "data-gym-cache")
        assert load_encoding(spec) is not None

    def test_a_machine_without_home_or_temporary_folder(self, spec, monkeypatch):
        def no_home():
            raise RuntimeError("could not determine home directory")

        def no_folder():
            raise FileNotFoundError("no usable temporary directory")

        monkeypatch.delenv("XDG_CACHE_HOME")
        monkeypatch.delenv("LOCALAPPDATA")
        monkeypatch.setattr(Path, "home", no_home)
        monkeypatch.setattr(tempfile, "gettempdir", no_folder)
        assert load_encoding(spec) is None

    def test_in_litellm_which_is_not_imported(self, spec, tmp_path, monkeypatch):
        package = tmp_path / "site" / "litellm"
        put(package / "litellm_core_utils" / "tokenizers")
        (package / "__init__.py").write_text("raise AssertionError('imported')")
        monkeypatch.syspath_prepend(str(tmp_path / "site"))
        assert load_encoding(spec) is not None
        assert "litellm" not in sys.modules

    def test_a_litellm_that_is_no_package(self, spec, tmp_path, monkeypatch):
        (tmp_path / "litellm.py").touch()
        monkeypatch.syspath_prepend(str(tmp_path))
        assert load_encoding(spec) is None

    def test_a_litellm_of_unknown_origin(self, spec, monkeypatch):
        module = type(sys)("litellm")
        assert isinstance(module.__spec__, importlib.machinery.ModuleSpec) is False
        monkeypatch.setitem(sys.modules, "litellm", module)
        assert load_encoding(spec) is None

    @pytest.mark.parametrize(
        ("platform", "environ", "folder"),
        [
            ("linux", {}, "home/.cache/customgroqchat"),
            ("linux", {"XDG_CACHE_HOME": "/caches"}, "/caches/customgroqchat"),
            ("darwin", {}, "home/Library/Caches/customgroqchat"),
            ("win32", {"LOCALAPPDATA": "/local"}, "/local/customgroqchat"),
            ("win32", {}, "home/.cache/customgroqchat"),
        ],
    )
    def test_our_own_cache(self, tmp_path, platform, environ, folder):
        assert _token_vocabulary.cache_directory(environ, platform) == tmp_path / folder

    def test_in_our_own_cache(self, spec, tmp_path):
        put(_token_vocabulary.cache_directory())
        assert load_encoding(spec) is not None


class TestBelieving:
    @pytest.mark.parametrize(
        "data", [b"", FILE[:-1], FILE + b"\n", FILE.replace(b" 0\n", b" 1\n", 1)]
    )
    def test_a_wrong_file_is_left_alone(self, spec, tmp_path, data):
        put(tmp_path, data=data)
        assert load_encoding(spec, [tmp_path]) is None
        assert (tmp_path / "tiny.tiktoken").read_bytes() == data

    def test_a_wrong_file_does_not_hide_a_right_one(self, spec, tmp_path):
        folders = [put(tmp_path / "wrong", data=b"x" * len(FILE)), put(tmp_path / "right")]
        assert load_encoding(spec, folders) is not None

    def test_a_folder_of_that_name(self, spec, tmp_path):
        (tmp_path / "tiny.tiktoken").mkdir()
        assert load_encoding(spec, [tmp_path]) is None

    def test_a_file_that_cannot_be_read(self, spec, tmp_path, monkeypatch):
        def forbidden(path):
            raise PermissionError(path)

        put(tmp_path)
        monkeypatch.setattr(Path, "read_bytes", forbidden)
        assert load_encoding(spec, [tmp_path]) is None

    def test_an_interpreter_without_tiktoken(self, spec, tmp_path, monkeypatch):
        really = builtins.__import__

        def without(name, *args, **kwargs):
            if name == "tiktoken":
                raise ImportError(name)
            return really(name, *args, **kwargs)

        monkeypatch.setattr(builtins, "__import__", without)
        assert load_encoding(spec, [put(tmp_path)]) is None

    def test_the_published_vocabulary_is_described(self):
        assert (O200K_BASE.name, O200K_BASE.size) == ("o200k_base", 3_613_922)
        assert len(bytes.fromhex(O200K_BASE.sha256)) == 32
        assert all(len(name) in (19, 40) for name in O200K_BASE.file_names)


class TestCounting:
    @pytest.fixture
    def encoding(self, spec, tmp_path):
        return load_encoding(spec, [put(tmp_path)])

    @pytest.mark.parametrize(
        ("text", "tokens"),
        [
            ("", 0),
            ("the the", 2),
            ("then", 2),
            ("The", 3),
            ("日", 3),
            ("12345", 5),
            ("\ud800", 3),
        ],
    )
    def test_merges(self, encoding, text, tokens):
        assert count_tokens(encoding, text) == tokens

    def test_a_special_token_is_text(self, encoding):
        assert count_tokens(encoding, "<|endoftext|>") == len("endoftext") + 2

    @pytest.mark.parametrize("mark", [" ", "\n", ""])
    def test_a_long_text_is_cut_without_loss(self, encoding, mark):
        text = f"{mark}the" * 40_000
        assert max(map(len, _token_vocabulary._chunks(text))) <= 50_000
        assert "".join(_token_vocabulary._chunks(text)) == text
        # A hard cut can split the word at it in two; a cut before a space splits none.
        per_word = {" ": 1, "\n": 2, "": 1}[mark]
        assert count_tokens(encoding, text) == pytest.approx(40_000 * per_word, abs=8)

    @pytest.mark.parametrize("text", [" " * 2_000_000, "a" * 1_000_000, "\n" * 1_000_000])
    def test_endless_runs(self, encoding, text):
        assert count_tokens(encoding, text) == len(text)


class TestCounterWithVocabulary:
    @pytest.fixture
    def counter(self, spec, tmp_path):
        return TokenCounter(vocabulary_dirs=[str(put(tmp_path / "own"))], vocabulary=spec)

    def test_reads_nothing_before_the_first_count(self, counter):
        assert (counter.source, counter.exact) == ("estimate", False)
        counter.count_text("the")
        assert (counter.source, counter.exact) == ("o200k_base", True)

    def test_counts_exactly_where_it_can(self, counter):
        count = counter.count_messages([{"role": "user", "content": "the the"}], OSS)
        assert (count, count.exact, count.upper) == (73, True, 73)
        assert count.source == "o200k_base"

    def test_text_is_exact_without_a_model(self, counter):
        assert counter.count_text("the the").exact
        assert counter.count_text("the the", OSS).exact
        assert not counter.count_text([{"type": "rays"}]).exact

    @pytest.mark.parametrize(
        ("model", "margin"), [("qwen/qwen3.8-27b", 0.03), ("acme/new-1", 0.30), (None, 0.30)]
    )
    def test_another_model_has_a_vocabulary_of_its_own(self, counter, model, margin):
        count = counter.count_messages([{"role": "user", "content": "the the"}], model)
        assert (count.exact, count.margin) == (False, margin)
        assert counter.count_text("the", "qwen/qwen3.8-27b").margin == 0.03

    @pytest.mark.parametrize(
        "extra",
        [{"tools": [{"type": "browser_search"}]}, {"response_format": {"type": "json_object"}}],
    )
    def test_a_rule_of_thumb_is_not_exact(self, counter, extra):
        request = {"model": OSS, "messages": [{"role": "user", "content": "the"}], **extra}
        assert not counter.count_request(request).exact

    def test_a_completion_is_never_exact(self, counter):
        count = counter.count_completion("the the", OSS)
        assert (count, count.exact, count.margin) == (12, False, 0.03)

    def test_exact_prompts_add_up_exactly(self, counter):
        count = counter.count_request({"model": OSS, "prompt": ["the", "the the"]})
        assert (count, count.exact) == (72 + 73, True)

    def test_absence_is_remembered_until_reload(self, spec, tmp_path):
        counter = TokenCounter(vocabulary_dirs=[tmp_path], vocabulary=spec)
        counter.count_text("the")
        put(tmp_path)
        assert counter.count_text("the").source == "estimate"
        assert counter.reload() is True
        assert counter.count_text("the").source == "o200k_base"

    def test_can_be_told_not_to_look(self, spec, tmp_path):
        counter = TokenCounter(
            vocabulary_dirs=[put(tmp_path)], vocabulary=spec, use_vocabulary=False
        )
        assert counter.reload() is False
        assert counter.count_text("the").source == "estimate"

    def test_pickles_without_the_vocabulary(self, counter):
        counter.reload()
        data = pickle.dumps(counter)
        assert len(data) < 3_000
        again = pickle.loads(data)
        assert again.source == "estimate"
        assert again.count_text("the the") == 2

    def test_threads_build_one_encoding(self, counter, monkeypatch):
        built = []
        build = _token_vocabulary._build
        monkeypatch.setattr(
            _token_vocabulary, "_build", lambda *args: built.append(1) or build(*args)
        )
        barrier = threading.Barrier(8)
        counts = []

        def count():
            barrier.wait()
            counts.append(counter.count_text("the the").exact)

        threads = [threading.Thread(target=count) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (counts, built) == ([True] * 8, [1])


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process:DeprecationWarning")
def test_a_child_is_not_stopped_by_a_lock_of_its_parent(spec, tmp_path):
    lock = _token_vocabulary._locks.setdefault(spec.sha256, threading.Lock())
    reader, writer = os.pipe()
    with lock:  # as a thread does that is loading while another one forks
        child = os.fork()
        if child == 0:
            found = load_encoding(spec, [tmp_path])
            os.write(writer, b"absent" if found is None else b"found")
            os._exit(0)
    ready, _, _ = select.select([reader], [], [], 30)
    if not ready:
        os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    assert ready
    assert os.read(reader, 10) == b"absent"
    os.close(reader)
    os.close(writer)
