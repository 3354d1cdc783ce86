"""Hooks for ``GroqClient(on_event=...)`` that feed monitoring systems.

Each is in a module of its own, and needs its package: ``prometheus`` and ``otel``.
"""

from __future__ import annotations

from .._observer import GuardedHook, Hook
from ..events import Event

__all__ = ["Hooks"]


class Hooks:
    """Several hooks as one: ``GroqClient(on_event=Hooks(first, second))``.

    Each is called with every event, in this order, and has its own ``context``. What one of them
    raises is logged, and keeps nothing from the others. Does not block, unless a hook does.
    """

    def __init__(self, *hooks: Hook) -> None:
        self._hooks = [GuardedHook(hook) for hook in hooks]

    def capture(self) -> tuple[object, ...]:
        """Return what each hook's ``capture()`` returns, in the thread that queues a request."""
        return tuple(hook.capture() for hook in self._hooks)

    def __call__(self, event: Event) -> None:
        """Call all hooks."""
        contexts = event.context
        if not isinstance(contexts, tuple) or len(contexts) != len(self._hooks):
            contexts = (None,) * len(self._hooks)
        for hook, context in zip(self._hooks, contexts, strict=True):
            hook(event._replace(context=context))
