"""What a llama.cpp log says of its run, and what its memories hold of the model."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from fractions import Fraction
from functools import cached_property
from itertools import product
from typing import Any

from kvcalc.costs import formula
from kvcalc.engines.llama_cpp.block_types import BLOCK_TYPES
from kvcalc.engines.llama_cpp.cells import cells_of
from kvcalc.engines.llama_cpp.devices import single
from kvcalc.engines.llama_cpp.layer_rules import LayerRules
from kvcalc.engines.llama_cpp.loading import Loaded, load
from kvcalc.engines.llama_cpp.memories import MEMORIES, LayerCells, by_memory
from kvcalc.engines.llama_cpp.releases import RELEASES
from kvcalc.engines.llama_cpp.settings import LlamaCppSettings
from kvcalc.engines.log import NO_MODEL, Changes, Found, Subject, number
from kvcalc.errors import KvcalcError, quote
from kvcalc.formula.expression import Value

FULL, SLIDING = "kv", "swa"

TYPE = r"[a-zA-Z0-9_]{1,10}"
"""An element type in a log, a fork's included."""

NO_CONTEXT = "the context (n_ctx) is missing: give --set context=N"

COMPRESSORS = {"csa": "csa_state", "hca": "hca_state", "lid": "indexer_state"}
"""The memories of DeepSeek V4's compressors, by their names in the log."""

CACHES = (FULL, SLIDING, "indexer", "csa", "hca")
"""Memories that are caches of cells, which print one kind of line."""

OFF = ("disabled", "0", "off", "false")
"""How `flash_attn` is printed where it is off; "auto" is on until the graph is built."""

AMOUNTS = ("n_ctx", "n_seq_max")
"""Facts of which 0 says nothing: no context has no tokens or no sequences."""

LOGGED = {"sequences": "n_seq_max", "ubatch_size": "n_ubatch", "flash_attn": "flash_attn"}
"""The facts that tell of a setting."""

Memories = Mapping[str, list[tuple[LayerCells, int]]]
"""What layers hold in each memory, with how many hold it."""


def single_mib(size: int) -> Fraction:
    """MiB as llama.cpp prints a memory's: of a float of single precision."""
    return Fraction(single(size)) / 2**20


class Run:
    """What has been read so far: the cache that is being created, and device buffers of it.

    `request` is what Ollama was asked to load, `held` its lines about devices since then.
    """

    def __init__(self, subject: Subject, found: Sequence[Found]) -> None:
        self.subject = subject
        self.facts = {
            line.kind: line.values["value"]
            for line in found
            if line.values.keys() == {"value"}
            and not (line.kind in AMOUNTS and number(line.values["value"]) == 0)
        }
        self.creating: tuple[str, int] | None = None
        self.context_cells = max(
            (number(f.values["cells"]) for f in found if f.kind in ("creating", "cache")), default=0
        )
        self.old_cells = max(
            (number(f.values["tokens"]) for f in found if f.kind == "kv size"), default=None
        )
        self.buffered: list[Found] = []
        self.found = list(found)
        self.request: Mapping[str, str] = {}
        self.held: list[Found] = []
        self._memories: dict[tuple[tuple[str, Any], ...], Memories] = {}

    @property
    def sequences(self) -> int:
        """How many sequences there are: as given, as the log or Ollama's command says, or 1."""
        said = self.facts.get("n_seq_max") or self.facts.get("--parallel", "1")
        return self.subject.sequences or number(said)

    @cached_property
    def own_settings(self) -> Mapping[str, Any]:
        """The settings of the run, as given, else as the log says."""
        facts = self.facts
        logged: dict[str, Any] = {"ubatch_size": number(facts.get("n_ubatch", "512"))}
        if "kv_unified" in facts:
            logged["kv_unified"] = facts["kv_unified"]
        if "flash_attn" in facts:
            logged["flash_attn"] = facts["flash_attn"] not in OFF
        if "swa_full" in facts:
            logged["swa_full"] = True
        given = {name: value for name, value in self.subject.settings.items() if name != "n_ctx"}
        given["ubatch_size"] = self.subject.number("ubatch_size", logged["ubatch_size"])
        return logged | given

    def settings(self, changes: Mapping[str, Any]) -> LlamaCppSettings:
        """The settings of the run, with changes.

        Raises:
            RequestError: one is not a valid setting.
            UnsupportedError: the release does not have one.
        """
        return LlamaCppSettings(**{**self.own_settings, **changes})

    @cached_property
    def loaded(self) -> Loaded:
        """The model as llama.cpp lays it out."""
        assert self.subject.model is not None
        return load(self.subject.model, self.settings({}))

    def tensors(
        self, memory: str, changes: Mapping[str, Any] | None = None
    ) -> list[tuple[LayerCells, int]]:
        """What the layers hold in a memory, each with how many hold it.

        Raises:
            UnsupportedError: llama.cpp has no such layers, or no such rows.
        """
        key = tuple((changes or {}).items())
        if key not in self._memories:
            self._memories[key] = self._changed(changes or {})
        return self._memories[key].get(memory, [])

    def _changed(self, changes: Mapping[str, Any]) -> Memories:
        loaded, settings = self.loaded, self.settings(changes)
        if "release" in changes:
            assert self.subject.model is not None
            loaded = load(self.subject.model, settings)
        rules = LayerRules(loaded, settings)
        return by_memory((one, n) for layer, n in loaded.counted for one in rules.of(layer))

    def rows(self, memory: str, changes: Mapping[str, Any]) -> dict[str, int]:
        """Bytes by tensor of what all layers hold of one cell, or of one stream's states."""
        rows: dict[str, int] = {}
        for one, layers in self.tensors(memory, changes):
            for row in one.rows:
                size = layers * self.cells_of(one, 1) * row.bytes
                rows[row.tensor] = rows.get(row.tensor, 0) + size
        return rows

    def release_that(self, prints: Callable[[Mapping[str, Any]], bool]) -> str | None:
        """Name releases under which a figure is as printed; None where the release is said."""
        if "release" in self.subject.settings or not self.subject.may_explain():
            return None

        def holds(release: str) -> bool:
            try:
                return prints({"release": release})
            except KvcalcError:
                return False

        return RELEASES.that(holds)

    def causes(self, values: Mapping[str, Iterable[Any]]) -> tuple[list[Changes], ...]:
        """All changes to other values of "sequences" and settings, as of a `Subject`."""
        own = {"sequences": self.sequences, **self.own_settings}
        changes = (
            {
                name: value
                for name, value in zip(values, each, strict=True)
                if value != own.get(name)
            }
            for each in product(*((own.get(name), *others) for name, others in values.items()))
        )
        said = {name for name, fact in LOGGED.items() if fact in self.facts}
        return self.subject.causes(changes, said | self.subject.settings.keys())

    def cells_of(self, one: LayerCells, count: int) -> int:
        """Rows of a tensor: its cells in all streams, or that many streams of a compressor's."""
        if one.memory not in COMPRESSORS.values():
            return count
        assert isinstance(one.cells, int)
        return count * one.cells

    def total(self) -> int | None:
        """The context of all sequences together, in tokens, where it is known."""
        given = self.subject.number("n_ctx", default=0)
        if given or "n_ctx" in self.facts:
            return given or number(self.facts["n_ctx"])
        context = self.subject.context
        return self.old_cells if context is None else context * self.sequences

    def full_cells(self, context: int) -> int:
        """Cells of a stream that holds all tokens of sequences of `context` each."""
        settings = self.settings({})
        cells = cells_of(settings, flash_attention=settings.own("flash_attn"))
        return self._evaluated(cells.full, context, self.sequences, {})

    def sliding_cells(self, changes: Mapping[str, Any], sequences: int) -> int:
        """Cells of a sliding cache beside a full one."""
        settings = self.settings(changes)
        context = self.context_cells // (sequences if settings.own("kv_unified") else 1)
        held = self.tensors(SLIDING, changes)
        cells = held[0][0].cells if held else 0
        return self._evaluated(cells, max(context, 1), sequences, changes)

    def _evaluated(
        self, value: Value, context: int, sequences: int, changes: Mapping[str, Any]
    ) -> int:
        ubatch = self.settings(changes).ubatch_size
        assert self.subject.model is not None
        found: int = formula(self.subject.model, value, {"ubatch_size": ubatch})(
            context, sequences=sequences
        )
        return found

    @property
    def window(self) -> int:
        """The window, or chunk, of the sliding layers."""
        return max(c.attention_window for c in self.loaded.caches if c.attention_window is not None)

    def words(self, memory: str) -> str:
        """What a memory is of, in words."""
        return {FULL: "full layers", SLIDING: "sliding layers"}.get(memory, MEMORIES[memory])

    def memory_of(self, cells: int, layers: int | None) -> str:
        """The memory that a cache is: as it was announced, else by its cells and layers."""
        if self.creating is not None and cells - 256 < self.creating[1] <= cells:
            return self.creating[0]
        holding = {memory: self.tensors(memory) for memory in CACHES}
        known = [memory for memory, tensors in holding.items() if tensors]
        alike = [memory for memory in known if sum(n for _, n in holding[memory]) == layers]
        for found in (alike, known):
            if len(found) == 1:
                return found[0]
        slides = {FULL, SLIDING} <= {*known} and cells < self.context_cells
        return SLIDING if slides else FULL

    def missing_for(self, line: Found) -> str | None:
        """Say what a cache's figures cannot be worked out without: a model, or a known type."""
        if self.subject.model is None:
            return NO_MODEL
        printed = (value for name, value in line.values.items() if name.startswith("type_"))
        unknown = next((name for name in printed if name not in BLOCK_TYPES), None)
        return unknown and f"llama.cpp has no cache type {quote(unknown)}, so the log is of a fork"

    def type_of(self, line: Found, name: str) -> str:
        """A cache's element type: as printed, as given, or f16."""
        both = self.subject.settings.get("kv_cache_dtype")
        given = self.subject.settings.get(f"cache_{name}", both)
        return line.values.get(name) or str(given or line.values.get("type_k") or "f16")
