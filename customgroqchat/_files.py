"""Writing a file so that whoever reads it finds the old content or the new one, whole."""

from __future__ import annotations

import contextlib
import errno
import os
from pathlib import Path

__all__ = ["replace_file"]


def replace_file(path: Path, content: bytes) -> None:
    """Put a content in the place of a file, which only its owner may read then.

    Makes its directory if need be; a link stays one. Blocks for the writing; of threads and
    processes that write the same file, the last one wins. Raises OSError or RuntimeError if it
    cannot be done, and leaves nothing behind.
    """
    import tempfile

    target = path.resolve()
    if target.is_symlink():  # it leads to itself
        raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), str(path))
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)  # mode 0600
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
        Path(name).replace(target)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
