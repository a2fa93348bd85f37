"""Columns that a plan gets on request: bytes in GiB, whether a row fits, and on how many GPUs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kvcalc.answers.fill.columns import ADDED
from kvcalc.answers.fill.rows import Filled
from kvcalc.answers.fit import fit
from kvcalc.answers.fit.fitted import Fit
from kvcalc.answers.fit.placing import STAGES
from kvcalc.catalogue.gpus import find
from kvcalc.errors import KvcalcError, RequestError
from kvcalc.model import Model

OF_GPUS = ("fits", "gpus")
"""The columns that are asked about a GPU."""

MAX_FITS = 10_000
"""The most answers about GPUs remembered; when there are more, all are forgotten."""


@dataclass(frozen=True)
class Adding:
    """The columns asked for, the GPU that they are about, and how many of it there are.

    Raises:
        RequestError: a column is not known or asked for twice, or the GPU is missing or not known.
    """

    columns: Sequence[str] = ()
    gpu: str | None = None
    gpus: int | None = None

    def __post_init__(self) -> None:
        for place, name in enumerate(self.columns):
            if name not in ADDED or name in self.columns[:place]:
                raise RequestError.of("add", name, f"{', '.join(ADDED)}, each once")
        if self.gpu is not None:
            find(self.gpu)
        of_gpus = [name for name in self.columns if name in OF_GPUS]
        if of_gpus and self.gpu is None:
            raise RequestError.about("add", f"{of_gpus[0]} needs a gpu, as h200")
        if self.gpus is not None and "fits" not in of_gpus:
            raise RequestError.about(
                "gpus", f"found {self.gpus:,} where fits is not added", found=self.gpus
            )


def adder(asked: Adding) -> Callable[[Filled], Filled]:
    """Make the function that adds the cells to a row's answer.

    `fits` is whether the row fits on so many GPUs, or on any number of them; `gpus` is the least
    number. Where `fit` cannot say, its sentence is the row's error.
    """
    known: dict[object, tuple[str, str] | KvcalcError] = {}

    def add(found: Filled) -> Filled:
        if found.cost is None or found.bytes is None:
            return found._replace(added=("",) * len(asked.columns))
        cells = {"gib": _gib(found.bytes), **dict.fromkeys(OF_GPUS, "")}
        error = None
        if asked.gpu is not None and not set(OF_GPUS).isdisjoint(asked.columns):
            key = (found.structure, *found.given.items())
            if key not in known:
                if len(known) >= MAX_FITS:
                    known.clear()
                known[key] = _fits(found.cost.model, found, asked)
            answer = known[key]
            if isinstance(answer, KvcalcError):
                error = answer
            else:
                cells["fits"], cells["gpus"] = answer
        return found._replace(added=tuple(cells[name] for name in asked.columns), error=error)

    return add


def _gib(total: int) -> str:
    hundredths = (total * 100 + 2**29) // 2**30
    return f"{hundredths // 100}.{hundredths % 100:02}"


def _fits(model: Model, found: Filled, asked: Adding) -> tuple[str, str] | KvcalcError:
    """Whether a row fits, and the least number of GPUs that hold it; or why nobody can say."""
    if "window" in found.given:
        model = model.with_window(found.given["window"])

    def on(gpus: int | None, stages: int | None = None) -> Fit:
        settings = found.settings if stages is None else {**found.settings, STAGES: stages}
        return fit(
            model,
            gpu=asked.gpu,
            gpus=gpus,
            context=found.given["context"],
            sequences=found.given.get("sequences", 1),
            **settings,
        )

    try:
        least = on(None)
        fits = least.fits if asked.gpus is None else on(asked.gpus).fits
        if not fits and least.fits and (stages := least.settings.get(STAGES)) is not None:
            fits = on(asked.gpus, stages).fits
    except KvcalcError as refused:
        return refused.within("fits")
    return "yes" if fits else "no", str(least.gpus) if least.fits else ""
