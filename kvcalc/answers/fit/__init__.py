"""What fits beside the weights: sequences, context or GPUs, whichever is not given."""

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from kvcalc.answers.fit.card import card
from kvcalc.answers.fit.fitted import CACHE_MEMORY, Fit
from kvcalc.answers.fit.placing import Placing
from kvcalc.answers.fit.question import question
from kvcalc.answers.fit.replica import Replica
from kvcalc.engines import request
from kvcalc.engines.engine import Settings
from kvcalc.engines.releases import UntestedWarning, numbers
from kvcalc.errors import KvcalcError, RequestError
from kvcalc.model import Model
from kvcalc.readers.weights import Weights
from kvcalc.warned import warn

MODEL_CONTEXT, WEIGHTS = "model context", "weights"
AFTER_POOL = "what is made after the pool"
ENGINE_LIMIT = "sequences that the engine runs"
GPUS, SEQUENCES = "gpus", "sequences"


class Answer(NamedTuple):
    """A fit, the copy of the model that it was worked out on, and what was solved for."""

    fit: Fit
    replica: Replica
    solved: str


def fit(
    model: Model,
    *,
    gpu: str | None = None,
    gpu_memory: int | None = None,
    gpus: int | None = None,
    context: int | None = None,
    sequences: int | None = None,
    trace: str | Path | Iterable[str | Path] | None = None,
    hit_rate: object = None,
    engine: str = "ideal",
    weights: Weights | int | None = None,
    reserve: int | None = None,
    settings: Settings | None = None,
    **given: Any,
) -> Fit:
    """Answer what fits on GPUs of one kind, solving for what is not given.

    `context` is tokens of one sequence; `gpu_memory` and `reserve` are bytes per GPU; `weights` are
    bytes in all, by default counted from the model's parameters. A `reserve` stands for what the
    engine's start takes beside weights and cache; 0 leaves that out. Without `gpus`, the fewest are
    found, in more pipeline stages where no number of them does in one; else without `context`, the
    longest for these `sequences`; else the most sequences. With a `trace` and a `hit_rate` (a
    share, or "50%") they are the fewest of one copy whose cache hits so many of its prompts'
    tokens, one request after another, as `kvcalc.replay` has it. Settings are given as to
    `kvcalc.cost`.

    Raises:
        KvcalcError: as `kvcalc.cost`; or the GPU or the size of the weights is not known, or
            no cache hits so much.
    """
    if trace is not None or hit_rate is not None:
        _require_rate(trace, hit_rate, gpus)
    asked = question(
        model,
        on=card(gpu, gpu_memory),
        engine=engine,
        weights=weights,
        reserve=reserve,
        **request.named(settings, given),
    )
    placing = Placing(asked)
    if trace is not None:
        from kvcalc.answers.fit.hits import fewest_hitting

        gpus = fewest_hitting(placing, trace, hit_rate).gpus
    return solve(placing, gpus=gpus, context=context, sequences=sequences).fit


def _require_rate(trace: object, hit_rate: object, gpus: object) -> None:
    from kvcalc.answers.fit.hits import share_of

    if hit_rate is not None:
        share_of(hit_rate)
    if trace is not None and not isinstance(trace, str | Path | Iterable):
        raise RequestError.of("trace", trace, "a file, or files")
    if trace is None or hit_rate is None:
        raise RequestError.about("hit_rate", expected="beside trace, and the other way")
    if gpus is not None:
        raise RequestError.about("gpus", "found beside hit_rate, which solves for it; give one")


def solve(
    placing: Placing,
    *,
    gpus: int | None = None,
    context: int | None = None,
    sequences: int | None = None,
    source: str | None = None,
) -> Answer:
    """Answer one question; `source` is the model's name on a command line.

    Raises:
        KvcalcError: as `fit`.
    """
    for name, amount in (("gpus", gpus), ("context", context), ("sequences", sequences)):
        if amount is not None and (type(amount) is not int or amount < 1):
            raise RequestError.of(name, amount, "at least 1")
    solved = GPUS if gpus is None else SEQUENCES if sequences is None else "nothing"
    if gpus is None:
        context = context or placing.question.model.longest_context
        sequences = sequences or 1
        placing, gpus = _fewest(placing, context, sequences)
    replica = placing.on(gpus)
    copies = gpus // replica.ranks
    if context is None and sequences is not None:
        solved = "context"
        context = max(1, replica.promised.longest_context(-(-sequences // copies)))
    context = context or placing.question.model.longest_context
    sequences = sequences or max(1, copies * replica.promised.most_sequences(context))
    warn_untested(replica)
    return Answer(_answer(replica, gpus, context, sequences, solved, source), replica, solved)


def _fewest(placing: Placing, context: int, sequences: int) -> tuple[Placing, int]:
    """The fewest GPUs, in more pipeline stages where no number of them does in one."""
    gpus = placing.fewest_for(context, sequences)
    if placing.holds(gpus, context) >= sequences:
        return placing, gpus
    for _, other in placing.in_more_stages():
        with suppress(KvcalcError):
            fewer = other.fewest_for(context, sequences)
            if other.holds(fewer, context) >= sequences:
                return other, fewer
    return placing, gpus


def warn_untested(replica: Replica) -> None:
    """Warn of parts of a release that no log tested."""
    asked, standing = replica.question, replica.parsed.standing
    tested = asked.memory.tested
    if tested is None or asked.reserve is not None or asked.measured or standing is None:
        return
    if numbers(standing.version) > numbers(tested):
        warn(
            f"no log has tested what a start of {asked.engine.name} {standing.version} takes, only "
            f"those up to {tested}: the parts are as its source has them",
            UntestedWarning,
        )


def _answer(
    replica: Replica,
    gpus: int,
    context: int,
    sequences: int,
    solved: str,
    source: str | None,
) -> Fit:
    asked, promised = replica.question, replica.promised
    copies = gpus // replica.ranks
    most = copies * promised.most_sequences(context)
    longest = promised.longest_context(-(-sequences // copies), context)
    at_maximum = longest == asked.model.max_context
    settings = dict(replica.cost.settings)
    if asked.settings.get("kv_cache_dtype") is not None:
        settings["kv_cache_dtype"] = replica.cost.kv_cache_dtype
    if promised.budget.cache <= 0:
        binding = WEIGHTS
    elif promised.missing_after(context):
        binding = AFTER_POOL
    elif solved == "context" and at_maximum:
        binding = MODEL_CONTEXT
    else:
        binding = CACHE_MEMORY if promised.needs_more(context, most // copies) else ENGINE_LIMIT
    return Fit(
        model=asked.model.name,
        engine=asked.engine.name,
        engine_version=replica.cost.engine_version,
        gpu=asked.card.name,
        gpus=gpus,
        tensor_parallel_size=replica.parsed.tensor_parallel_size,
        replicas=copies,
        context=context,
        sequences=sequences,
        fits=sequences <= most,
        max_sequences=copies * replica.most_sequences(context),
        promised_sequences=most,
        max_context=longest,
        cache_memory_per_gpu=replica.cache,
        promised_cache_memory_per_gpu=promised.cache,
        bytes_per_gpu_per_sequence=replica.need(context, 1),
        weights_per_gpu=replica.weights,
        reserve_per_gpu=replica.budget.reserve,
        parts=[
            *replica.parts(context),
            *replica.in_main_memory(context, -(-sequences // copies)),
        ],
        binding=binding,
        settings=settings,
        flags=_flags(replica, context, -(-sequences // copies), source),
    )


def _flags(replica: Replica, context: int, sequences: int, source: str | None) -> str:
    """The line that starts the engine's server so; "" for an engine without one."""
    asked = replica.question
    if asked.engine.server is None:
        return ""
    from kvcalc.engines.server.writer import write

    return write(
        asked.engine,
        replica.parsed,
        asked.model,
        context=context,
        sequences=None if replica.cap else sequences,
        share=replica.budget.share,
        source=source,
        weights_dtype=asked.weights.dtype if asked.weights.converted else None,
    )
