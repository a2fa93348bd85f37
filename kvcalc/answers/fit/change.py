"""By how much an answer fits or does not, and the nearest changes that would make it fit."""

from collections.abc import Iterator
from typing import NamedTuple

from kvcalc.answers.fit import AFTER_POOL, ENGINE_LIMIT, GPUS, SEQUENCES, WEIGHTS, Answer
from kvcalc.answers.fit.placing import STAGES, Placing, divisors
from kvcalc.answers.fit.replica import BOUND
from kvcalc.engines.memory import RANKS
from kvcalc.errors import KvcalcError
from kvcalc.units import at_version, binary_size, plural

SMALLER_TYPES = ("fp8", "q8_0", "int8")
"""Element types of half the size, by the names that engines have for them."""


def margin(answer: Answer) -> int:
    """Bytes of one GPU that are certainly left; below 0, bytes that may be missing."""
    fit, replica = answer.fit, answer.replica
    if fit.binding == WEIGHTS:
        return min(replica.promised.budget.cache, -1)
    if fit.binding == AFTER_POOL:
        return -replica.promised.missing_after(fit.context)
    return fit.promised_cache_memory_per_gpu - replica.need(
        fit.context, -(-fit.sequences // fit.replicas)
    )


def verdict(answer: Answer) -> str:
    """Say in one sentence whether it fits and by how much."""
    fit, left = answer.fit, margin(answer)
    what = f"{fit.model} with {_counted(answer)} of {fit.context:,} tokens"
    where = f"{_cards(answer)} with {at_version(fit.engine, fit.engine_version)}"
    size, each = binary_size(abs(left)), "the GPU" if fit.gpus == 1 else "each GPU"
    if fit.fits:
        return f"Yes: {what} fits on {where}, {size} of {each} to spare"
    if fit.binding == WEIGHTS:
        why = f"its weights and what is held back are {size} too large for {each}"
    elif fit.binding == AFTER_POOL:
        why = f"{size} of {each} are missing for what the engine makes beside its pool"
    elif left >= 0:
        why = f"the engine runs {plural(fit.promised_sequences, 'sequence')} at once"
    else:
        why = f"{size} of {each} are missing"
    return f"No: {what} does not fit on {where}: {why}"


def _cards(answer: Answer) -> str:
    """Say how many GPUs there are of which kind; of a kind without a name, its memory."""
    fit = answer.fit
    unnamed = fit.gpu[:1].isdigit()
    if answer.solved == GPUS and not fit.fits:
        kind = f"GPUs of {fit.gpu}" if unnamed else fit.gpu
        return f"any number of {kind} up to {fit.gpus:,}"
    return f"{plural(fit.gpus, 'GPU')} of {fit.gpu}" if unnamed else f"{fit.gpus:,} {fit.gpu}"


def _counted(answer: Answer) -> str:
    """Say how many sequences are asked about, or are promised and likely."""
    fit = answer.fit
    if answer.solved != SEQUENCES or fit.max_sequences <= fit.sequences or not fit.fits:
        return plural(fit.sequences, "sequence")
    return f"at least {fit.sequences:,}, likely {plural(fit.max_sequences, 'sequence')}"


def changes(placing: Placing, answer: Answer) -> list[str]:
    """Name the least change of each kind that would make it fit; none if it fits already.

    More GPUs are a change of the last resort: they are named where no other place on the same
    GPUs, as fewer ranks per copy or more pipeline stages, is enough.
    """
    fit = answer.fit
    if fit.fits:
        return []
    found = []
    if fit.max_context:
        found.append(f"-c {_rounded_down(answer)}")
    if fit.promised_sequences:
        found.append(plural(fit.promised_sequences, "sequence"))
    each = -(-fit.sequences // fit.replicas)
    if fit.binding == ENGINE_LIMIT and _runs_more(answer, each):
        found.append(f"--max-num-seqs {each}")
    if (smaller := _with_smaller_type(answer)) is not None:
        found.append(f"--kv-cache-dtype {smaller}")
    others = list(_other_places(answer))
    enough = [one.words for one in others if one.sequences >= fit.sequences]
    return [*found, *(enough[:1] or _more_gpus(placing, answer))]


def holding_more(answer: Answer) -> list[str]:
    """Name the other ways to place the copies that hold the most sequences, if they hold more.

    They are named where the number of sequences is the question.
    """
    fit = answer.fit
    if not fit.fits or answer.solved != SEQUENCES:
        return []
    best: dict[str, Place] = {}
    for one in _other_places(answer):
        if one.sequences > max(
            fit.promised_sequences, best[one.kind].sequences if one.kind in best else 0
        ):
            best[one.kind] = one
    return [f"{one.words} ({plural(one.sequences, 'sequence')})" for one in best.values()]


class Place(NamedTuple):
    """Another way to put copies on the same GPUs: of a kind, in words, and what it holds."""

    kind: str
    words: str
    sequences: int


def _other_places(answer: Answer) -> Iterator[Place]:
    """Other ranks per copy, the nearest first, then more pipeline stages."""
    fit, asked = answer.fit, answer.replica.question
    values = asked.engine.settings.model_fields
    spread = asked.memory.spread

    def tried(kind: str, words: str, **settings: int) -> Place:
        other = Placing(asked.with_settings(**settings))
        return Place(kind, words, other.holds(fit.gpus, fit.context))

    if spread == RANKS and asked.settings.get(spread.setting) is None:
        for ranks in divisors(fit.gpus):
            if ranks < fit.tensor_parallel_size and not _far_too_large(answer, ranks):
                yield tried(spread.setting, f"--tp {ranks}", tensor_parallel_size=ranks)
    if STAGES in values and asked.settings.get(STAGES) is None:
        for stages in reversed(divisors(fit.gpus)):
            if 1 < stages <= len(asked.model.layers):
                yield tried(STAGES, f"--set {STAGES}={stages}", pipeline_parallel_size=stages)


def _far_too_large(answer: Answer, ranks: int) -> bool:
    """Whether the weights exceed the memory of a copy's GPUs by more than a quarter.

    No part of them that a server leaves out, as a tower, is that large.
    """
    asked, stages = answer.replica.question, answer.replica.ranks // answer.replica.cards
    return 4 * asked.weights.bytes > 5 * ranks * stages * asked.card.memory


def _more_gpus(placing: Placing, answer: Answer) -> list[str]:
    """The fewest GPUs that hold it, in as few pipeline stages as they need."""
    fit = answer.fit
    gpus = placing.fewest_for(fit.context, fit.sequences)
    words = [f"--gpus {gpus}"] if placing.holds(gpus, fit.context) >= fit.sequences else []
    for stages, other in placing.in_more_stages():
        try:
            fewer = other.fewest_for(fit.context, fit.sequences, gpus - 1)
        except KvcalcError:
            continue
        if other.holds(fewer, fit.context) >= fit.sequences:
            gpus, words = fewer, [f"--gpus {fewer} --set {STAGES}={stages}"]
    return words


def _runs_more(answer: Answer, each: int) -> bool:
    """Whether a copy holds so many sequences if the engine is told to run them."""
    asked = answer.replica.question
    if BOUND not in asked.engine.settings.model_fields:
        return False
    other = Placing(asked.with_settings(**{BOUND: each}))
    return other.holds(answer.fit.gpus, answer.fit.context) >= answer.fit.sequences


def _rounded_down(answer: Answer) -> str:
    """The longest context, rounded down to a whole K if that is not 0."""
    fit, longest = answer.fit, answer.fit.max_context
    thousands = longest // 1024
    each = -(-fit.sequences // fit.replicas)
    if (
        thousands
        and answer.replica.need(1024 * thousands, each) <= fit.promised_cache_memory_per_gpu
    ):
        return f"{thousands}K"
    return f"{longest}"


def _with_smaller_type(answer: Answer) -> str | None:
    """An element type of half the size with which it fits, by the engine's name."""
    asked = answer.replica.question
    for name in SMALLER_TYPES:
        if asked.settings.get("kv_cache_dtype") == name or name not in asked.engine.dtypes:
            continue
        try:
            other = Placing(asked.with_settings(kv_cache_dtype=name))
        except KvcalcError:
            continue
        if other.holds(answer.fit.gpus, answer.fit.context) >= answer.fit.sequences:
            return name
    return None
