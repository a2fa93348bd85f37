"""Two releases, engines or models, side by side: bytes, pools, and the rules that differ."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from kvcalc.answers.diff.causes import Cause, causes_of
from kvcalc.answers.diff.side import (
    Figures,
    Load,
    Side,
    answered,
    given_memory,
    placed,
    refused,
)
from kvcalc.answers.fit.card import card
from kvcalc.answers.fit.placing import Placing
from kvcalc.answers.fit.question import NO_CARD, Question, question
from kvcalc.answers.own_settings import own_settings, refuse_unknown
from kvcalc.engines import request
from kvcalc.engines.engine import Settings
from kvcalc.errors import KvcalcError, RequestError, UnsupportedError
from kvcalc.model import Model
from kvcalc.readers.weights import Weights

if TYPE_CHECKING:
    from kvcalc.answers.fit.replica import Replica

NO_WEIGHTS = Weights(0, "", "not counted")


@dataclass(frozen=True)
class Diff:
    """Two sides of the same request: `sequences` of `context` tokens each.

    `bytes` is how many more the new side needs, None if one side refuses; `equal` says that no
    figure differs. Between releases of one engine, `causes` are the rules that differ, the largest
    effect first, and `together_bytes` what no single one of them explains. `gpus` share the model,
    None if not given.
    """

    context: int
    sequences: int
    gpu: str | None
    gpus: int | None
    old: Side
    new: Side
    bytes: int | None
    equal: bool
    causes: tuple[Cause, ...]
    together_bytes: int


def diff(
    model: Model,
    engine: str = "ideal",
    new_engine: str | None = None,
    *,
    new_model: Model | None = None,
    context: int | None = None,
    sequences: int = 1,
    window: int | None = None,
    gpu: str | None = None,
    gpus: int | None = None,
    memory: int | None = None,
    weights: Weights | int | None = None,
    new_weights: Weights | int | None = None,
    reserve: int | None = None,
    settings: Settings | None = None,
    **given: Any,
) -> Diff:
    """Compare a request on one engine or release with the same request on another.

    For example diff(model, "vllm@0.20.0", "vllm@0.33.0"); with `new_model`, two models on one
    engine. `context` is tokens of one sequence, by default the (old) model's maximum. With a `gpu`,
    or bytes of cache `memory` on each GPU, what the pools hold is compared too; `gpus` share the
    model, the fewest on which the old side runs unless given; `weights` and `reserve` are bytes as
    for `kvcalc.fit`. Settings are given as to `kvcalc.cost`, and each is passed to the sides that
    have it.

    Raises:
        KvcalcError: there is nothing to compare, the request is wrong, or both sides refuse it.
    """
    if (new_engine is None) == (new_model is None):
        raise RequestError.about("diff", "give two engines or releases, or two models")
    _require_memory(gpu, gpus, memory)
    names, models = (engine, new_engine or engine), (model, new_model or model)
    if context is None:
        context = model.longest_context
    if window is not None:
        models = (models[0].with_window(window), models[1].with_window(window))
    sizes = (weights, weights if new_model is None else new_weights)
    asked = _split(names, request.named(settings, given), share=gpu is not None)
    on = card(gpu) if gpu else None if memory is None else NO_CARD
    questions = [
        question(
            one,
            on=on,
            engine=name,
            weights=NO_WEIGHTS if gpu is None else size,
            reserve=0 if gpu is None else reserve,
            **own,
        )
        for one, name, size, own in zip(models, names, sizes, asked, strict=True)
    ]
    if memory is not None:
        questions = [given_memory(one, memory) for one in questions]
    elif gpu is None:
        # Without a card there is nothing for an engine to take its own share of.
        questions = [replace(one, share=1) for one in questions]
    load = Load(context, sequences, gpus, pool=gpu is not None or memory is not None)
    if gpu is not None and gpus is None:
        load = load._replace(gpus=_fewest(questions, load))
    return _compared(questions, names, load, gpu)


def _require_memory(gpu: str | None, gpus: int | None, memory: int | None) -> None:
    """Refuse a memory that is given twice, or a number of GPUs without their kind."""
    if gpu is not None and memory is not None:
        raise RequestError.about("memory", "found beside a gpu; give one")
    if gpus is not None and gpu is None:
        raise RequestError.about("gpus", "found without a gpu")
    if memory is not None and (type(memory) is not int or memory < 1):
        raise RequestError.of("memory", memory, "bytes")
    if gpus is not None and (type(gpus) is not int or gpus < 1):
        raise RequestError.of("gpus", gpus, "at least 1")


def _split(
    names: tuple[str, str], asked: Mapping[str, Any], *, share: bool
) -> list[dict[str, Any]]:
    """The settings that each side has, with its share of a GPU's memory if it has one.

    Raises:
        RequestError: neither side has a setting.
    """
    refuse_unknown(asked, names, share=share)
    return [own_settings(name, asked, share=share) for name in names]


def _fewest(questions: list[Question], load: Load) -> int:
    """The fewest GPUs on which the old side runs the request; if it refuses, the new side."""
    refused: KvcalcError | None = None
    for one in questions:
        try:
            return Placing(one).fewest_for(load.context, load.sequences)
        except UnsupportedError as error:
            refused = refused or error
    assert refused is not None
    raise refused


def _compared(
    questions: list[Question], names: tuple[str, str], load: Load, gpu: str | None
) -> Diff:
    sides: list[Side] = []
    replicas: list[Replica] = []
    refusals: list[UnsupportedError] = []
    for one, name in zip(questions, names, strict=True):
        try:
            replica = placed(one, load)
            sides.append(answered(replica, load))
            replicas.append(replica)
        except UnsupportedError as error:
            sides.append(refused(one, name, error))
            refusals.append(error)
    if len(refusals) == len(questions):
        raise refusals[0]
    old, new = sides
    found, together = ((), 0) if refusals else causes_of(replicas[0], replicas[1], load)
    return Diff(
        context=load.context,
        sequences=load.sequences,
        gpu=gpu,
        gpus=load.gpus,
        old=old,
        new=new,
        bytes=None if old.bytes is None or new.bytes is None else new.bytes - old.bytes,
        equal=all(getattr(old, name) == getattr(new, name) for name in Figures._fields),
        causes=found,
        together_bytes=together,
    )
