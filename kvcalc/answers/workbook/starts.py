"""What starts hold on each kind of GPU, as far as the combinations of a workbook hold there."""

from collections.abc import Mapping
from typing import NamedTuple

from kvcalc.answers.own_settings import own_settings
from kvcalc.answers.workbook.combinations import Combination, cost_of
from kvcalc.answers.workbook.start import Start, own_inputs, start
from kvcalc.catalogue.gpus import Gpu, catalogue
from kvcalc.catalogue.gpus import find as find_gpu
from kvcalc.engines import find
from kvcalc.engines.memory_part import INSTEAD
from kvcalc.errors import KvcalcError

MANY = 10**9
NO_CAPABILITY = "none"
"""Stands for the compute capability of GPUs that have none, or none that is known."""


class Kind(NamedTuple):
    """A kind of GPU: its name, which is a compute capability or a GPU's own, and one of it."""

    name: str
    gpu: str


def kinds(own: str) -> tuple[Kind, ...]:
    """The GPU itself, then each compute capability of the catalogue, of which it is the first."""
    found: dict[str, str] = {}
    for gpu in sorted(catalogue(), key=lambda gpu: gpu.name != own):
        found.setdefault(capability(gpu), gpu.name)
    return (Kind(own, own), *(Kind(name, found[name]) for name in sorted(found, key=_number)))


def _number(name: str) -> tuple[int, ...]:
    """A compute capability's place among others; none is the last."""
    return tuple(map(int, name.split("."))) if name != NO_CAPABILITY else (MANY,)


def capability(gpu: Gpu) -> str:
    """A GPU's compute capability, as the sheets have it."""
    return gpu.compute_capability or NO_CAPABILITY


class Starts:
    """The starts of a workbook's combinations, each worked out once."""

    def __init__(self, gpu: str) -> None:
        self.gpu = gpu
        self._found: dict[tuple[str, str, int, str], Start | KvcalcError] = {}
        self._same: dict[tuple[str, str], bool] = {}
        self._given: dict[str, Mapping[str, int]] = {}

    def of(self, one: Combination, kind: Kind) -> Start | str:
        """What a start of a combination holds on a kind of GPU, or why that is not known."""
        gpu = kind.gpu if _follows_gpu(one.engine) else self.gpu
        key = (one.listed.name, one.engine, one.tensor_parallel_size, gpu)
        if key not in self._found:
            self._found[key] = self._start(one, gpu)
        found = self._found[key]
        if isinstance(found, KvcalcError):
            return _of_any(str(found), gpu)
        if found.fixed and kind.name != self.gpu:
            why = f"what {one.engine} takes and runs at once depends on the GPU itself; {ASK}"
            return found._replace(parts=(), at_once=why, declined=why, fixed=False)
        # What engines ask of a GPU for their caches is its generation.
        generation = capability(find_gpu(kind.gpu)).partition(".")[0]
        if (same := self._same.get((one.key, generation))) is None:
            same = self._same[one.key, generation] = _is_same_cost(one, kind.gpu, found.own)
        if not same:
            return f"{one.engine} lays its cache out otherwise on this GPU; {ASK}"
        return found._replace(declined=_of_any(found.declined, gpu))

    def _start(self, one: Combination, gpu: str) -> Start | KvcalcError:
        """What a start holds on a GPU; settings are as on Plan's, as it has them."""
        listed, own = one.listed, own_settings(one.engine, one.settings, share=True)
        try:
            if one.engine not in self._given:
                self._given[one.engine] = own_inputs(
                    one.engine, self.gpu, own_settings(one.engine, one.settings)
                )
            asked = {**self._given[one.engine], **own}
            ranks = one.tensor_parallel_size
            return start(listed.model, one.engine, ranks, listed.weights, gpu, asked)
        except KvcalcError as error:
            return error

    def chosen(self, one: Combination) -> Start | str:
        """What a start of a combination holds on the GPU that Plan starts with."""
        return self.of(one, Kind(self.gpu, self.gpu))


def _of_any(refusal: str, gpu: str) -> str:
    """A refusal on one GPU of a kind, in the words of a sheet that has them all."""
    return refusal.replace(INSTEAD, "reserve_bytes with what a log shows").replace(gpu, "this GPU")


ASK = "give its name: kvcalc sheet --gpu"


def _follows_gpu(engine: str) -> bool:
    """Whether what an engine does depends on the GPU: then that is one of its settings."""
    return "gpu" in find(engine).settings.model_fields


def _is_same_cost(one: Combination, gpu: str, own: Mapping[str, int]) -> bool:
    """Whether a combination's formula is its engine's on a GPU, too, with the same settings.

    Nothing follows it where an engine's own pools decide what fits.
    """
    engine = find(one.engine)
    several_pools = engine.memory is not None and engine.memory.several_pools
    if several_pools or not _follows_gpu(one.engine):
        return True
    assert one.cost is not None
    try:
        there = cost_of(one, one.listed.model, gpu, own)
    except KvcalcError:
        return False
    return there.per_gpu == one.cost.per_gpu
