"""What the tests of APIClient and of its transport ask for, and how it fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from customgroqchat import APIClient, APIConnectionError, APIError
from customgroqchat.testing import SimulatedGroq

MODELS = "/models"
Simulate = Callable[..., SimulatedGroq]
MakeAPI = Callable[..., APIClient]


def failure(api: APIClient, *arguments: Any, **options: Any) -> APIError:
    with pytest.raises(APIError) as caught:
        api.request(*(arguments or ("GET", MODELS)), **options)
    return caught.value


def no_connection(api: APIClient, **options: Any) -> APIConnectionError:
    with pytest.raises(APIConnectionError) as caught:
        api.request("GET", MODELS, **options)
    assert caught.value.request is not None
    assert caught.value.hint
    assert caught.value.__cause__ is not None
    return caught.value
