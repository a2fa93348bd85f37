"""What SGLang decides by the GPU it runs on (0.5.23, srt/arg_groups/memory_hook.py)."""

from typing import NamedTuple

CHUNKS = ((20, 2048), (60, 4096), (160, 8192))
"""Tokens of a chunk of a prompt on a GPU of less than so many GiB; 16,384 on larger ones."""

CHUNK_IF_UNKNOWN = 4096


class Hardware(NamedTuple):
    """A GPU: memory in MiB as the driver reports it, None if none was named; compute capability.

    A `major` of 0 is a GPU that is not NVIDIA's; None: no GPU was named.
    """

    name: str | None
    memory_mib: int | None
    major: int | None

    @property
    def chunked_prefill_size(self) -> int:
        """Tokens of a prompt read at once, unless asked otherwise."""
        if self.memory_mib is None:
            return CHUNK_IF_UNKNOWN
        return next((chunk for gib, chunk in CHUNKS if self.memory_mib < gib * 1024), 16384)

    @property
    def sm100(self) -> bool:
        """Whether it is a data centre's Blackwell (compute capability 10)."""
        return self.major == 10

    @property
    def blackwell(self) -> bool:
        """Whether it is of the Blackwell generation (compute capability 10 or 12)."""
        return self.major is not None and self.major >= 10


def hardware(gpu: str | None, blackwell: bool) -> Hardware:
    """Look up a GPU; where none is named, `blackwell` says what another choice implies.

    Raises:
        KvcalcError: no such GPU.
    """
    if gpu is None:
        return Hardware(None, None, 10 if blackwell else None)
    from kvcalc.catalogue.gpus import find

    found = find(gpu)
    major = (found.compute_capability or "0").split(".")[0]
    return Hardware(found.name, found.memory_mib, int(major))
