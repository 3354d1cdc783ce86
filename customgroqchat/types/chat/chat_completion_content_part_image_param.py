"""Images in a message."""

from __future__ import annotations

from typing import Literal, TypedDict


class _Required(TypedDict):
    url: str


class ImageURL(_Required, total=False):
    """Where an image is: an address, or ``data:image/jpeg;base64,`` and the image itself."""

    detail: Literal["auto", "low", "high"]


class ChatCompletionContentPartImageParam(TypedDict):
    """An image."""

    type: Literal["image_url"]
    image_url: ImageURL
