"""A layer of a model, whatever it caches."""

from typing import Annotated, Any, ClassVar

from pydantic import AfterValidator, Field

from kvcalc.dtypes import dtype
from kvcalc.frozen import Frozen

MAX_SIZE = 2**40

Size = Annotated[int, Field(strict=True, ge=1, le=MAX_SIZE)]
DtypeName = Annotated[str, Field(max_length=40), AfterValidator(lambda name: dtype(name).name)]


class Layer(Frozen):
    """A layer, with the published shape of what it caches. Equal layers compare equal.

    Sizes are elements of one head or row unless a field says otherwise.
    """

    kind: ClassVar[str]

    @property
    def shape(self) -> dict[str, Any]:
        """The fields that are set, by name."""
        fields = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: value for name, value in fields.items() if value not in (None, False)}

    @property
    def caches(self) -> tuple["Layer", ...]:
        """The layer's caches, each as a layer: itself, unless it is composed of others."""
        return (self,)

    @property
    def windows(self) -> tuple[int, ...]:
        """The sliding windows in the layer, in tokens."""
        return ()

    @property
    def sole_window(self) -> int | None:
        """The one sliding window in the layer, in tokens; None if it has no window or several."""
        return self.windows[0] if len(set(self.windows)) == 1 else None

    @property
    def attention_window(self) -> int | None:
        """The most tokens that the layer sees: its window or chunk; None if it sees all."""
        return self.windows[0] if self.windows else None

    @property
    def slides(self) -> bool:
        """Whether the layer sees only a window or a chunk."""
        return self.attention_window is not None

    @property
    def sources(self) -> tuple[int, ...]:
        """The lengths of the sources that the layer attends to, in tokens; 0 if not published."""
        return ()

    def with_window(self, window: int) -> "Layer":
        """Set the window of the layer's sliding parts, in tokens."""
        return self

    def with_full_attention(self) -> "Layer":
        """Let the layer's sliding and chunked parts keep the whole context."""
        return self
