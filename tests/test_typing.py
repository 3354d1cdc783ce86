"""What type checkers and editors know of programs that use the package: see typing/usage.py."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
TYPING = ROOT / "tests" / "typing"
MYPY = ["--strict", "--python-version=3.10", "--follow-imports=silent", "--no-error-summary"]


def checked_by(module: str, *arguments: str | os.PathLike[str]) -> str:
    """Return what a checker has to say, or skip the test if there is no such checker."""
    if importlib.util.find_spec(module) is None:
        pytest.skip(f"{module} is not installed")
    command = [sys.executable, "-m", module, *map(str, arguments)]
    run = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, check=False, encoding="utf-8"
    )
    return run.stdout if run.returncode else ""


def mypy(program: Path, cache: Path) -> str:
    return checked_by("mypy", *MYPY, f"--cache-dir={cache}", program)


def pyright(project: Path) -> str:
    return checked_by("basedpyright", "--project", project)


def test_mypy_knows_what_programs_get(tmp_path: Path) -> None:
    assert mypy(TYPING / "usage.py", tmp_path) == ""


def test_pyright_knows_what_programs_get() -> None:
    assert pyright(TYPING) == ""


WRONG = """
from customgroqchat import GroqClient
from customgroqchat.types import Model

def use(client: GroqClient) -> None:
    found: Model = client.models.list()
    length = len(client.chat_completion("m", []).choices[0].message.content)
    print(found, length)
"""


def test_they_would_tell_if_it_were_otherwise(tmp_path: Path) -> None:
    program = tmp_path / "wrong.py"
    program.write_text(WRONG, encoding="utf-8")
    told = mypy(program, tmp_path / "cache").splitlines()
    assert [line.split(":")[1] for line in told if ": error:" in line] == ["6", "7"]


def test_pyright_would_tell_too(tmp_path: Path) -> None:
    (tmp_path / "wrong.py").write_text(WRONG, encoding="utf-8")
    settings = (TYPING / "pyrightconfig.json").read_text("utf-8")
    settings = settings.replace("usage.py", "wrong.py").replace("../..", ROOT.as_posix())
    (tmp_path / "pyrightconfig.json").write_text(settings, encoding="utf-8")
    told = pyright(tmp_path).splitlines()
    assert [line.split(":")[1] for line in told if " - error: " in line] == ["6", "7"]
