"""Layers with several caches, with the cache of another layer, or without a cache."""

from typing import Annotated, Any, ClassVar

from pydantic import Field

from kvcalc.layers.layer import Layer


class SharedCache(Layer):
    """A layer that reads the cache of an earlier layer, and keeps nothing of its own."""

    kind: ClassVar[str] = "shared_cache"


class NoCache(Layer):
    """A layer without attention or state: it keeps nothing."""

    kind: ClassVar[str] = "no_cache"


class Combined(Layer):
    """A layer of several caches: attention beside a state or a source, or one per loop."""

    kind: ClassVar[str] = "combined"
    parts: Annotated[tuple[Layer, ...], Field(min_length=1, max_length=1000)]

    @property
    def shape(self) -> dict[str, Any]:
        """The fields that are set in its parts, with the kind of each part."""
        return {"parts": [{"kind": part.kind, **part.shape} for part in self.parts]}

    @property
    def caches(self) -> tuple[Layer, ...]:
        """The caches of its parts."""
        return tuple(cache for part in self.parts for cache in part.caches)

    @property
    def windows(self) -> tuple[int, ...]:
        """The sliding windows of its parts, in tokens."""
        return tuple(window for part in self.parts for window in part.windows)

    @property
    def sources(self) -> tuple[int, ...]:
        """The lengths of the sources that its parts attend to, in tokens."""
        return tuple(source for part in self.parts for source in part.sources)

    def with_window(self, window: int) -> Layer:
        """Set the window of its sliding parts, in tokens."""
        return Combined(parts=tuple(part.with_window(window) for part in self.parts))

    def with_full_attention(self) -> Layer:
        """Let its sliding and chunked parts keep the whole context."""
        return Combined(parts=tuple(part.with_full_attention() for part in self.parts))
