"""Values and secrets in the text of errors."""

from __future__ import annotations

_LONGEST = 80
# Keys are long. A short one is a test's, and may be part of any word.
_SHORTEST_SECRET = 12


def shown(value: object, longest: int = _LONGEST) -> str:
    """Return the repr of a value, shortened; of its type, if it has none."""
    try:
        text = repr(value)
    except Exception:  # an integer of many thousand digits, say, or a class that is broken
        text = f"a {type(value).__name__}"
    return text if len(text) <= longest else f"{text[:longest]}..."


def without_secret(text: str, secret: str | None) -> str:
    """Return a text with every occurrence of a secret blotted out."""
    if secret is None or len(secret) < _SHORTEST_SECRET:
        return text
    return text.replace(secret, "***")
