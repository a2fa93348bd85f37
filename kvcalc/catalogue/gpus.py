"""The catalogue of GPUs: the memory that the driver reports, and what a framework sees of it."""

import re
from difflib import get_close_matches
from functools import cache
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from kvcalc.catalogue.folder import folder, known_table
from kvcalc.catalogue.source import Source, require_sources
from kvcalc.errors import RequestError, SourceError, quote
from kvcalc.frozen import Frozen, Text
from kvcalc.layers.layer import Size
from kvcalc.parameters.sizes import tuples

FACTS = {"memory_mib", "visible", "compute_capability"}
"""The fields with a published source; the others name the GPU."""

LEAST_SEEN = 979
"""Thousandths of a driver's figure that a framework reports at the least: of an L4's."""

VENDORS = re.compile(r"^(nvidia|amd|geforce|instinct|tesla)+")

MACHINES = re.compile("macbook (pro|air)|mac (studio|mini|pro)|imac")
"""Macs whose names hold words of their chips' names."""

SAID_BESIDE = frozenset(
    {
        *("nvidia", "amd", "apple", "geforce", "instinct", "tesla", "radeon", "gpu", "oam"),
        *("hbm2", "hbm2e", "hbm3", "hbm3e", "sxm", "sxm2", "sxm3", "sxm4", "sxm5", "sxm6"),
    }
)
"""Words beside a GPU's name: its vendor, kind of memory and socket."""


class Visible(Frozen):
    """What a framework was seen to report as a GPU's whole memory, in GiB as printed.

    `public_files` counts public files without a known repository that print it.
    """

    gib: Annotated[str, Field(pattern=r"^[0-9]{1,4}\.[0-9]{1,3}$")]
    reported_by: Text
    public_files: Annotated[int, Field(ge=0)] = 0

    @property
    def bytes(self) -> int:
        """The figure in bytes, rounded down."""
        whole, _, part = self.gib.partition(".")
        scale: int = 10 ** len(part)
        return int(whole + part) * 2**30 // scale


class Gpu(Frozen):
    """A GPU: `name` is that of its preset, `product` the exact product, settings included.

    `memory_mib` is what the driver reports, in MiB, None where it reports nothing, as of memory
    that is shared with the processor. `visible` is what frameworks were seen to report, the usual
    figure first: an older driver's may be another. `compute_capability` is from NVIDIA's list,
    or from who has the GPU; None where neither says it. Beside `sources`, `other_public_files`
    counts public files without a known repository that print the same `memory_mib`.
    """

    name: Text
    product: Text
    aliases: tuple[Text, ...] = ()
    memory_mib: Size | None = None
    visible: tuple[Visible, ...] = ()
    compute_capability: Annotated[str, Field(pattern=r"^[0-9]{1,2}\.[0-9]$")] | None = None
    other_public_files: Annotated[int, Field(ge=0)] = 0
    note: Text | None = None
    sources: tuple[Source, ...] = ()

    @model_validator(mode="after")
    def _every_fact_has_a_source(self) -> Self:
        told = FACTS & self.model_fields_set
        if all(seen.public_files > 1 for seen in self.visible):
            told -= {"visible"}
        require_sources([{fact} for fact in told], self.sources)
        return self

    @model_validator(mode="after")
    def _has_a_memory(self) -> Self:
        if self.memory_mib is None and not self.visible:
            raise SourceError("memory_mib: missing, and no framework's figure in [[visible]]")
        return self

    @property
    def memory_bytes(self) -> int | None:
        """What the driver reports, in bytes; None where it reports nothing."""
        return None if self.memory_mib is None else self.memory_mib * 2**20

    @property
    def reported_bytes(self) -> int:
        """What an engine asks for before it starts: the driver's figure, else a framework's."""
        return self.memory_bytes or self.usable_bytes

    @property
    def framework_visible(self) -> int | None:
        """What a framework mostly reports, in bytes; None if none was seen."""
        return self.visible[0].bytes if self.visible else None

    @property
    def least_bytes(self) -> int:
        """The least that a framework was seen to report, else what it may report at the least."""
        seen = [visible.bytes for visible in self.visible]
        return min(seen, default=self.usable_bytes * LEAST_SEEN // 1000)

    @property
    def usable_bytes(self) -> int:
        """Bytes to start from: what a framework sees, else the driver's figure."""
        seen = self.framework_visible or self.memory_bytes
        assert seen is not None  # the validator _has_a_memory
        return seen

    @property
    def single_source(self) -> bool:
        """Whether only one source has the driver's figure, or a framework's where that is all."""
        fact = "visible" if self.memory_mib is None else "memory_mib"
        named = sum(fact in source.facts for source in self.sources)
        return named + self.other_public_files < 2


@cache
def find(name: str) -> Gpu:
    """Find a GPU by its name or an alias, regardless of case, spaces and its vendor's name.

    What a driver, a shop or a cloud adds to the name (SXM5, HBM3, the GPU's own memory) is left
    out, and its words may stand in any order: "H100-80GB-SXM".

    Raises:
        RequestError: there is no such GPU; the sentence names the nearest.
    """
    wanted = _key(name)
    for known in names():
        if _key(known) == wanted:
            return _read(known)
    for gpu in catalogue():
        if wanted in map(_key, gpu.aliases):
            return gpu
    described = [gpu for gpu in catalogue() if _describes(name, gpu)]
    if len(described) == 1:
        return described[0]
    kin = [known for known in names() if wanted and _key(known).startswith(wanted)]
    near = kin or get_close_matches(name.lower()[:80], names(), n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(near)}" if near else "`kvcalc gpus` lists those known"
    raise RequestError(
        f"GPU {quote(name)} is unknown; {hint}; of any other give --gpu-memory",
        field="gpu",
        found=name,
        expected="a name that `kvcalc gpus` lists",
    )


@cache
def names() -> tuple[str, ...]:
    """The GPUs' names, in order."""
    return tuple(sorted(path.stem for path in folder("gpus").glob("*.toml")))


@cache
def catalogue() -> tuple[Gpu, ...]:
    """All GPUs, ordered by name."""
    return tuple(_read(name) for name in names())


@cache
def _read(name: str) -> Gpu:
    """Read one of kvcalc's own files; the tests hold each to the checks, which take their time."""
    facts: dict[str, Any] = dict(known_table(folder("gpus") / f"{name}.toml"))
    for field, of in (("visible", Visible), ("sources", Source)):
        facts[field] = tuple(of.model_construct(**tuples(one)) for one in facts.get(field, ()))
    return Gpu.model_construct(name=name, **tuples(facts))


def _describes(name: str, gpu: Gpu) -> bool:
    """Whether a name says the words of a GPU's, and nothing more of it than is so."""
    asked, product = _words(name), _words(gpu.product)
    if any(word.startswith("sxm") for word in asked) and _only_on_pcie(product):
        return False
    words = asked - SAID_BESIDE
    own = {word for word in words if _is_memory_of(word, gpu)}
    known = [_words(one) - SAID_BESIDE for one in (gpu.name, *gpu.aliases)]
    return words in known or words - own in known


def _only_on_pcie(product: frozenset[str]) -> bool:
    return "pcie" in product and not any(word.startswith("sxm") for word in product)


def _is_memory_of(word: str, gpu: Gpu) -> bool:
    """Whether "80gb" is the memory that a GPU is sold with: what it reports, to 3 %."""
    if not re.fullmatch("[0-9]{1,4}gb", word):
        return False
    sold = int(word[:-2]) * 2**30
    return abs(sold - gpu.reported_bytes) * 100 <= 3 * sold


def _words(name: str) -> frozenset[str]:
    text = MACHINES.sub(" ", name.lower())
    words = re.findall("[a-z0-9]+", text)
    return frozenset(re.sub("^([0-9]+)g$", r"\1gb", word) for word in words)


def _key(name: str) -> str:
    return VENDORS.sub("", re.sub(r"[^a-z0-9]", "", name.lower()))
