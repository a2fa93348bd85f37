"""What a llama.cpp log says of its run, and the model's caches as llama.cpp lays them out."""

from functools import cached_property
from typing import TYPE_CHECKING, Any

from kvcalc.answers.check.verdict import Subject, number
from kvcalc.engines.llama_cpp.block_types import block_type
from kvcalc.engines.llama_cpp.loading import load

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kvcalc.layers.layer import Layer
    from kvcalc.readers.logs.pattern import Found

FULL, SLIDING = "full", "sliding"


class Log:
    """What has been read so far: the cache that is being created, and device buffers of it."""

    def __init__(self, subject: Subject, found: "Sequence[Found]") -> None:
        self.subject = subject
        self.facts = {
            line.kind: line.values["value"] for line in found if line.values.keys() == {"value"}
        }
        self.creating: tuple[str, int] | None = None
        self.context_cells = max(
            (number(f.values["cells"]) for f in found if f.kind in ("creating", "cache")), default=0
        )
        self.sequences = subject.number(
            "sequences", "parallel", "n_parallel", "n_seq_max", default=subject.sequences or 0
        )
        self.buffered: list[Found] = []

    @cached_property
    def layers(self) -> "dict[str, list[Layer]]":
        """The model's caches that see all tokens, and those that slide."""
        assert self.subject.model is not None
        sorted_: dict[str, list[Layer]] = {FULL: [], SLIDING: []}
        for layer in load(self.subject.model, "default").layers:
            for cache in layer.caches:
                if "attention" in cache.kind and cache.kind != "cross_attention":
                    slides = bool(cache.windows) or cache.kind == "chunked_attention"
                    sorted_[SLIDING if slides else FULL].append(cache)
        return sorted_

    @cached_property
    def unified(self) -> bool:
        """Whether all sequences share one buffer."""
        text = self.subject.settings.get("kv_unified", self.facts.get("kv_unified", "false"))
        return str(text).lower() in ("true", "1", "on")

    def seqs(self) -> int:
        """How many sequences there are: as given, as the log says, or 1."""
        return self.sequences or number(self.facts.get("n_seq_max", "1"))

    def total(self) -> int | None:
        """The context of all sequences together, in tokens, where it is known."""
        given = self.subject.number("n_ctx", "ctx_size", "ctx", default=0)
        if given or "n_ctx" in self.facts:
            return given or number(self.facts["n_ctx"])
        context = self.subject.context
        return None if context is None else context * self.seqs()

    def ubatch(self) -> int:
        """Tokens of a physical batch."""
        logged = number(self.facts.get("n_ubatch", "512"))
        return self.subject.number("ubatch_size", "ubatch", "n_ubatch", default=logged)

    def window(self) -> int:
        """The window, or chunk, of the sliding layers."""
        cache: Any = self.layers[SLIDING][0]
        return int(cache.windows[0] if cache.windows else cache.chunk)

    def rows(self, group: str, type_k: str, type_v: str) -> tuple[int, int]:
        """Bytes of one cell's K and V over all layers of a group."""
        k = v = 0
        for cache in self.layers[group]:
            key, value = elements(cache)
            k += block_type(type_k).row_bytes(key)
            v += block_type(type_v).row_bytes(value)
        return k, v

    def group_of(self, cells: int, layers: int | None) -> str:
        """The group that a cache holds: as it was announced, else by its cells and layers."""
        if self.creating is not None and self.creating[1] == cells:
            return self.creating[0]
        if not self.layers[SLIDING] or not self.layers[FULL]:
            return FULL if self.layers[FULL] else SLIDING
        fitting = [group for group in (FULL, SLIDING) if len(self.layers[group]) == layers]
        if len(fitting) == 1:
            return fitting[0]
        return FULL if cells >= self.context_cells else SLIDING

    def type_of(self, line: "Found", name: str) -> str:
        """A cache's element type: as printed, as given, or f16."""
        both = self.subject.settings.get("cache_type", self.subject.settings.get("kv_cache_dtype"))
        given = self.subject.settings.get(f"cache_{name}", both)
        return line.values.get(name) or str(given or line.values.get("type_k") or "f16")

    def sliding_cells(self, full: int, ubatch: int, seqs: int, unified: bool) -> int:
        """Cells of a sliding cache beside a full one of so many."""
        wanted = self.window() * (seqs if unified else 1) + ubatch
        return -(-min(full, wanted) // 256) * 256


def elements(cache: Any) -> tuple[int, int]:
    """Elements of a cache's row of K and of V; a latent row is K alone."""
    if cache.kind == "latent_attention":
        return cache.row_elements, 0
    if cache.kind == "compressed_attention":
        return cache.head_dim, 0
    return cache.kv_heads * cache.head_dim, cache.kv_heads * cache.value_dim
