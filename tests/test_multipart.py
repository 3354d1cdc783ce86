"""Files, in whatever form they are given, and the forms that carry them."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from helpers_surface import FOREIGN, Part, parse_form

from customgroqchat import NOT_GIVEN, InvalidRequestException, file_from_path, omit
from customgroqchat._multipart import Attachment, attachment, form


def parts(fields: dict[str, Any], **files: Attachment) -> list[Part]:
    upload = form(fields, files.items())
    return parse_form(upload.content_type, upload.body)


def named(content: bytes, name: object) -> io.BytesIO:
    file = io.BytesIO(content)
    file.name = name  # type: ignore[attr-defined]
    return file


class Reads:
    """A file object of no known kind."""

    def __init__(self, content: Any) -> None:
        self.content = content

    def read(self) -> Any:
        return self.content


@pytest.mark.parametrize(
    ("file", "name", "content_type"),
    [
        (b"abc", "upload", "application/octet-stream"),
        (bytearray(b"abc"), "upload", "application/octet-stream"),
        (memoryview(b"abc"), "upload", "application/octet-stream"),
        (io.BytesIO(b"abc"), "upload", "application/octet-stream"),
        (named(b"abc", "/folder/a.mp3"), "a.mp3", "audio/mpeg"),
        (named(b"abc", 3), "upload", "application/octet-stream"),
        (Reads(b"abc"), "upload", "application/octet-stream"),
        (Reads("abc"), "upload", "application/octet-stream"),
        (("a.json", b"abc"), "a.json", "application/json"),
        (("a.unknown", b"abc"), "a.unknown", "application/octet-stream"),
        (("a.json", b"abc", "audio/x"), "a.json", "audio/x"),
        (("a.json", b"abc", None), "a.json", "application/json"),
        (("a.json", b"abc", None, {"X-A": "1"}), "a.json", "application/json"),
        ((None, b"abc"), "upload", "application/octet-stream"),
        ((None, named(b"abc", "b.json")), "b.json", "application/json"),
        (("", b"abc"), "upload", "application/octet-stream"),
    ],
)
def test_a_file_may_have_any_form(file: Any, name: str, content_type: str) -> None:
    found = attachment("file", file)
    assert (found.name, found.content, found.content_type) == (name, b"abc", content_type)


def test_a_file_may_be_a_path(tmp_path: Path) -> None:
    path = tmp_path / "é b.json"
    path.write_bytes(b"abc")
    assert attachment("file", path) == Attachment("é b.json", b"abc", "application/json")
    assert attachment("file", ("x.wav", path)).name == "x.wav"
    assert attachment("file", (None, path)).name == "é b.json"
    assert file_from_path(path) == ("é b.json", b"abc")
    assert attachment("file", file_from_path(str(path))).content == b"abc"
    with path.open("rb") as file:
        assert attachment("file", file) == attachment("file", path)


@pytest.mark.parametrize(
    "file",
    [
        None,
        "a.wav",
        3,
        [b"abc"],
        (),
        ("a.wav",),
        ("a.wav", b"", None, {}, 5),
        ("a.wav", "abc"),
        ("a.wav", None),
        io.StringIO("abc"),
        Reads(None),
        {"file": b"abc"},
    ],
)
def test_what_is_no_file_is_named(file: Any) -> None:
    with pytest.raises(InvalidRequestException) as caught:
        attachment("files.x", file)
    assert caught.value.field == "files.x"
    assert "pathlib.Path" in (caught.value.hint or "")


def test_a_path_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    for path in (tmp_path / "none.wav", tmp_path):
        with pytest.raises(InvalidRequestException) as caught:
            attachment("file", path)
        assert caught.value.field == "file"
        assert str(path) in str(caught.value)
        assert isinstance(caught.value.__cause__, OSError)


def test_a_form_has_fields_and_files() -> None:
    found = parts(
        {"model": "m", "temperature": 0.5, "n": 3, "flag": True, "nested": {"a": [1]}, "u": "ü\n"},
        file=Attachment("a b.wav", b"\x00\r\n--\xff", "audio/wav", {"X-A": "1"}),
    )
    assert [(part.name, part.content) for part in found] == [
        ("model", b"m"),
        ("temperature", b"0.5"),
        ("n", b"3"),
        ("flag", b"true"),
        ("nested", b'{"a":[1]}'),
        ("u", "ü\n".encode()),
        ("file", b"\x00\r\n--\xff"),
    ]
    assert found[-1].filename == "a b.wav"
    assert found[-1].headers["content-type"] == "audio/wav"
    assert found[-1].headers["x-a"] == "1"
    assert all(part.filename is None for part in found[:-1])


@pytest.mark.parametrize("values", [["word", "segment"], ("word", "segment")])
def test_a_list_is_a_field_for_each_item(values: Any) -> None:
    found = parts({"granularities": values, "numbers": [1, True], "none": []})
    assert [(part.name, part.content) for part in found] == [
        ("granularities[]", b"word"),
        ("granularities[]", b"segment"),
        ("numbers[]", b"1"),
        ("numbers[]", b"true"),
    ]


@pytest.mark.parametrize("nothing", [None, NOT_GIVEN, omit, *FOREIGN])
def test_what_is_nothing_is_no_field(nothing: Any) -> None:
    assert [part.name for part in parts({"a": nothing, "b": "1"})] == ["b"]


def test_every_form_has_a_boundary_of_its_own() -> None:
    assert form({"a": "1"}, []).content_type != form({"a": "1"}, []).content_type


def test_a_field_may_have_several_files() -> None:
    files = [("f", Attachment("a", b"1", "x/y")), ("f", Attachment("b", b"2", "x/y"))]
    upload = form({}, files)
    found = parse_form(upload.content_type, upload.body)
    assert [(part.name, part.filename) for part in found] == [("f", "a"), ("f", "b")]
