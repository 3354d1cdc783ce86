"""``customgroqchat tokens``: what is there, and bringing what is not. Served from this machine."""

from __future__ import annotations

import io
import os
import socket
import stat
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from helpers_vocabulary import FILE, TINY

from customgroqchat import _cli_tokens, _token_vocabulary, _vocabulary_fetch, cli
from customgroqchat._token_vocabulary import O200K_BASE
from customgroqchat.token_counter import TokenCounter

Serve = Callable[[bytes, int], str]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A machine with no vocabulary, for which the tiny one is the published one."""
    for variable in ("XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(variable, str(tmp_path / "cache"))
    for variable in ("TIKTOKEN_CACHE_DIR", "DATA_GYM_CACHE_DIR"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.setattr(_token_vocabulary, "_encodings", {})
    monkeypatch.setattr(_token_vocabulary, "_litellm_directories", lambda: iter(()))
    monkeypatch.setattr(_cli_tokens, "O200K_BASE", TINY)
    return _token_vocabulary.cache_directory()


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serve some bytes under a status; returns their address."""
    servers: list[ThreadingHTTPServer] = []

    def start(body: bytes, status: int = 200) -> str:
        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self.send_response(status)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        servers.append(server)
        return f"http://127.0.0.1:{server.server_port}/o200k_base.tiktoken"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def mute() -> Iterator[str]:
    """The address of a server that accepts and never says a word."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:
        yield f"http://127.0.0.1:{server.getsockname()[1]}/"


def run(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str, str]:
    """Return the exit code, and what went to standard output and to standard error."""
    code = cli.main(["tokens", *arguments])
    return (code, *capsys.readouterr())


# --- what is there -------------------------------------------------------------------------


def test_without_a_vocabulary_it_says_so_and_where_it_looked(
    capsys: pytest.CaptureFixture[str], cache: Path
) -> None:
    code, out, err = run(capsys)
    assert (code, err) == (0, "")
    assert "Counts are estimates: o200k_base is not on this machine" in out
    assert f"\n    {cache}\n" in out
    assert "customgroqchat tokens --fetch" in out


def test_with_one_it_says_which(capsys: pytest.CaptureFixture[str], cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / "tiny.tiktoken").write_bytes(FILE)
    code, out, _ = run(capsys)
    assert code == 0
    assert f"Counts are made with o200k_base, from {cache / 'tiny.tiktoken'}\n" in out
    assert "exact for plain chats with gpt-oss" in out


def test_with_one_but_without_tiktoken(
    capsys: pytest.CaptureFixture[str], cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cache.mkdir(parents=True)
    (cache / "tiny.tiktoken").write_bytes(FILE)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    assert "tiktoken is not installed" in run(capsys)[1]


@pytest.mark.parametrize("arguments", [[], ["--count", "openai/gpt-oss-20b"]])
def test_nothing_is_fetched_unasked(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"Hello")))
    assert run(capsys, *arguments)[0] == 0


def test_standard_input_is_counted(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"Hello world! \xff")))
    count = TokenCounter().count_prompt("Hello world! \ufffd", "openai/gpt-oss-20b")
    told = run(capsys, "--count", "openai/gpt-oss-20b")[1]
    assert told == (
        f"{count} prompt tokens for openai/gpt-oss-20b (at most about {count.upper}; estimate)\n"
    )


# --- bringing it ---------------------------------------------------------------------------


def test_fetching_makes_counts_exact(
    capsys: pytest.CaptureFixture[str], cache: Path, serve: Serve
) -> None:
    address = serve(FILE, 200)
    code, out, err = run(capsys, "--fetch", "--url", address)
    installed = cache / "tiny.tiktoken"
    assert (code, out) == (0, f"o200k_base is installed: {installed}\n")
    assert err == f"Fetching 0.0 MB from {address}\n"  # and no progress where nobody watches
    assert installed.read_bytes() == FILE
    assert list(cache.iterdir()) == [installed]
    counter = TokenCounter(vocabulary=TINY)
    assert counter.count_prompt("the the", "openai/gpt-oss-20b").exact


@pytest.mark.skipif(os.name == "nt", reason="there are no such modes")
def test_the_file_is_its_owners(
    capsys: pytest.CaptureFixture[str], cache: Path, serve: Serve
) -> None:
    run(capsys, "--fetch", "--url", serve(FILE, 200))
    assert stat.S_IMODE((cache / "tiny.tiktoken").stat().st_mode) == 0o600


def test_what_is_there_is_not_fetched_again(
    capsys: pytest.CaptureFixture[str], cache: Path, serve: Serve
) -> None:
    run(capsys, "--fetch", "--url", serve(FILE, 200))
    code, out, err = run(capsys, "--fetch", "--url", "http://127.0.0.1:9/")
    assert (code, err) == (0, "")
    assert out == f"o200k_base is there already: {cache / 'tiny.tiktoken'}\n"


def test_progress_is_shown_to_who_watches(
    capsys: pytest.CaptureFixture[str], serve: Serve, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(_vocabulary_fetch, "_CHUNK_BYTES", len(FILE) // 2)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    code, _, err = run(capsys, "--fetch", "--url", serve(FILE, 200))
    assert code == 0
    assert "\r 50%" in err
    assert err.endswith("\r100%\n")


@pytest.mark.parametrize(
    ("body", "status", "complaint"),
    [
        (FILE[:-1], 200, f"it has {len(FILE) - 1:,} bytes, and o200k_base has {len(FILE):,}"),
        (FILE + b"\n", 200, f"sent more than the {len(FILE):,} bytes that o200k_base has"),
        (FILE.replace(b" 0\n", b" 1\n", 1), 200, "its SHA-256 is not that of o200k_base"),
        (b"Not here", 404, "answered with status 404"),
        (FILE, 503, "answered with status 503"),
        (b"", 200, "it has 0 bytes"),
    ],
)
def test_what_is_not_right_is_not_installed(
    capsys: pytest.CaptureFixture[str],
    cache: Path,
    serve: Serve,
    body: bytes,
    status: int,
    complaint: str,
) -> None:
    address = serve(body, status)
    code, out, err = run(capsys, "--fetch", "--url", address)
    assert (code, out) == (1, "")
    assert f"Nothing was installed: {address}" in err
    assert complaint in err
    assert not cache.exists()


def test_a_body_that_breaks_off(capsys: pytest.CaptureFixture[str], cache: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def answer() -> None:
            connection = server.accept()[0]
            with connection:
                connection.recv(65_536)
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\nabc")

        thread = threading.Thread(target=answer)
        thread.start()
        address = f"http://127.0.0.1:{server.getsockname()[1]}/"
        code, _, err = run(capsys, "--fetch", "--url", address)
        thread.join()
    assert code == 1
    assert f"{address} cannot be read" in err
    assert not cache.exists()


def test_nobody_listens(capsys: pytest.CaptureFixture[str]) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as gone:
        address = f"http://127.0.0.1:{gone.getsockname()[1]}/"
    code, _, err = run(capsys, "--fetch", "--url", address)
    assert code == 1
    assert f"{address} cannot be read: " in err
    assert "refused" in err
    assert "Max retries" not in err


def test_a_deadline_holds_against_silence(
    capsys: pytest.CaptureFixture[str], cache: Path, mute: str
) -> None:
    code, _, err = run(capsys, "--fetch", "--url", mute, "--deadline", "0.05")
    assert code == 1
    assert f"Nothing was installed: {mute} did not send it within 0.05 seconds." in err
    assert not cache.exists()


def test_a_read_timeout_holds_before_the_deadline(mute: str) -> None:
    with pytest.raises(_vocabulary_fetch.FetchError, match=r"cannot be read: .*[Tt]imed out"):
        _vocabulary_fetch.fetch_vocabulary(TINY, mute, deadline_s=60, timeouts_s=(5, 0.05))


def test_what_was_given_up_is_not_read_on(serve: Serve) -> None:
    given: list[int] = []
    download = _vocabulary_fetch._Download(TINY, serve(FILE, 200), (5, 5), given.append)
    download.given_up = True
    download.run()
    assert given == []


def test_an_address_that_is_none(capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(capsys, "--fetch", "--url", "http://[")
    assert code == 1
    assert "http://[ cannot be read" in err


def test_ctrl_c(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, mute: str
) -> None:
    def interrupted(*_: object) -> bool:
        raise KeyboardInterrupt

    monkeypatch.setattr(threading.Event, "wait", interrupted)
    monkeypatch.setattr(threading.Thread, "start", lambda _: None)
    code, _, err = run(capsys, "--fetch", "--url", mute)
    assert code == 130
    assert err.endswith("Stopped; nothing was changed.\n")


# --- from a file ---------------------------------------------------------------------------


def test_from_a_file(capsys: pytest.CaptureFixture[str], cache: Path, tmp_path: Path) -> None:
    (tmp_path / "brought").write_bytes(FILE)
    code, out, _ = run(capsys, "--from", str(tmp_path / "brought"))
    assert (code, out) == (0, f"o200k_base is installed: {cache / 'tiny.tiktoken'}\n")
    assert (cache / "tiny.tiktoken").read_bytes() == FILE


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"x", "is not the right file: it has 1 bytes"),
        (b"x" * len(FILE), "is not the right file: its SHA-256"),
        (b"x" * 10 * len(FILE), f"is not the right file: it has {len(FILE) + 1:,} bytes"),
    ],
)
def test_from_a_wrong_file(
    capsys: pytest.CaptureFixture[str], cache: Path, tmp_path: Path, data: bytes, complaint: str
) -> None:
    (tmp_path / "brought").write_bytes(data)
    code, out, err = run(capsys, "--from", str(tmp_path / "brought"))
    assert (code, out) == (1, "")
    assert f"{tmp_path / 'brought'} {complaint}" in err
    assert not cache.exists()


def test_from_no_file(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    code, _, err = run(capsys, "--from", str(tmp_path / "missing"))
    assert code == 1
    assert "missing cannot be read: No such file or directory" in err


def test_a_cache_that_cannot_be_written(
    capsys: pytest.CaptureFixture[str], cache: Path, tmp_path: Path
) -> None:
    cache.parent.mkdir()
    cache.touch()
    (tmp_path / "brought").write_bytes(FILE)
    code, _, err = run(capsys, "--from", str(tmp_path / "brought"))
    assert code == 1
    assert f"it cannot be written to {cache}: " in err


def test_no_home(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def homeless() -> Path:
        raise RuntimeError("no home")

    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.delenv("LOCALAPPDATA")
    monkeypatch.setattr(Path, "home", homeless)
    (tmp_path / "brought").write_bytes(FILE)
    code, _, err = run(capsys, "--from", str(tmp_path / "brought"))
    assert code == 1
    assert "set XDG_CACHE_HOME" in err


# --- arguments -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ("--url file:///etc/passwd", "'file:///etc/passwd' is not an http(s) address"),
        ("--deadline 0", "'0' is not a number of seconds above 0"),
        ("--deadline soon", "'soon' is not a number of seconds"),
        ("--deadline nan", "'nan' is not a number of seconds"),
        ("--fetch --from x", "not allowed with argument --fetch"),
        ("--count", "expected one argument"),
    ],
)
def test_wrong_arguments_are_refused(
    capsys: pytest.CaptureFixture[str], arguments: str, complaint: str
) -> None:
    with pytest.raises(SystemExit) as refused:
        cli.main(["tokens", *arguments.split()])
    assert refused.value.code == 2
    assert complaint in capsys.readouterr().err


def test_the_published_address_is_the_one_that_tiktoken_knows() -> None:
    from hashlib import sha1

    assert O200K_BASE.address.startswith("https://")
    assert sha1(O200K_BASE.address.encode()).hexdigest() == O200K_BASE.file_names[1]


def test_help_names_what_is_done(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as left:
        cli.main(["tokens", "--help"])
    assert left.value.code == 0
    out = capsys.readouterr().out
    assert all(option in out for option in ("--fetch", "--from FILE", "--count MODEL", "--url"))
