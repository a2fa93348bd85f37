"""What an engine loads on a rank beside its cache: parts by name, for each pipeline stage."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import field

from kvcalc.records import Record


class Loaded(Record):
    """Bytes on one rank of each stage, or on each device, by part.

    Parts are components of the weights, and kept buffers; `host` are those that stay in main
    memory. `note` says what is loaded beside them and is not counted.
    """

    stages: tuple[Mapping[str, int], ...]
    note: str = ""
    host: Mapping[str, int] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """Bytes on a rank of the fullest stage."""
        return max(sum(parts.values()) for parts in self.stages)

    @property
    def parts(self) -> Mapping[str, int]:
        """The parts of the fullest stage, the largest first."""
        fullest = max(self.stages, key=lambda parts: sum(parts.values()))
        return dict(Counter(fullest).most_common())


Weigh = Callable[..., "Loaded | None"]
"""What is loaded of a model with an engine's settings and, if a file's tensors are at hand, those
(`Stored`, in a third place); None where no rule is known."""
