"""``GROQ_LOG``: what the package logs is shown, as the official SDK does it."""

from __future__ import annotations

import logging
from collections.abc import Mapping

_FORMAT = "[%(asctime)s - %(name)s:%(lineno)d - %(levelname)s] %(message)s"


def set_up(package: str, environ: Mapping[str, str]) -> None:
    """Keep the package's logger silent unless ``GROQ_LOG`` is ``debug`` or ``info``."""
    logger = logging.getLogger(package)
    logger.addHandler(logging.NullHandler())
    wanted = environ.get("GROQ_LOG")
    if wanted in ("debug", "info"):
        logging.basicConfig(format=_FORMAT)
        logger.setLevel(wanted.upper())
