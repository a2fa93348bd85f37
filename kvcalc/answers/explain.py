"""The derivation of an answer, step by step, in the engine's own terms."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kvcalc import engines
from kvcalc.costs import Cost, Step
from kvcalc.errors import KvcalcError
from kvcalc.formula.formula import Formula
from kvcalc.model import Model


@dataclass(frozen=True)
class ExplainedStep:
    """A step: what it is, how it comes about, its value and the value's unit."""

    name: str
    working: str
    value: int
    unit: str


@dataclass(frozen=True)
class ExplainedGroup:
    """The steps of a group of layers."""

    kind: str
    layers: int
    steps: tuple[ExplainedStep, ...]


@dataclass(frozen=True)
class Lever:
    """The setting that would lower the answer most, as the engine's flag, and what it would be."""

    setting: str
    value: Any
    flag: str
    bytes: int


@dataclass(frozen=True)
class StepRow:
    """A step beside the group of layers that it belongs to: their kind, "all" for the whole."""

    kind: str
    layers: int
    step: str
    working: str
    value: int
    unit: str


@dataclass(frozen=True)
class Explanation:
    """A derivation: groups of layers, each with its steps, those of the whole, the formula.

    `settings` are those that differ from the engine's defaults, `quantities` what the formula was
    evaluated for. `bytes` is over all ranks, `bytes_per_gpu` on the fullest. `lever` is None where
    no setting of the engine lowers the bytes without changing what is stored, or none was looked
    for.
    """

    model: str
    engine: str
    kv_cache_dtype: str
    settings: Mapping[str, Any]
    quantities: Mapping[str, int]
    groups: tuple[ExplainedGroup, ...]
    steps: tuple[ExplainedStep, ...]
    formula: str
    bytes: int
    bytes_per_gpu: int
    why: str
    lever: Lever | None = None

    @property
    def title(self) -> str:
        """What is explained, in a line."""
        stated = [f"{name} {amount:,}" for name, amount in self.quantities.items()]
        stated += [
            f"{name} {value}"
            for name, value in self.settings.items()
            if name not in self.quantities
        ]
        return f"{self.model} on {self.engine}, {self.kv_cache_dtype}: {', '.join(stated)}"

    @property
    def rows(self) -> list[StepRow]:
        """Every step, in order."""
        whole = ExplainedGroup("all", sum(group.layers for group in self.groups), self.steps)
        return [
            StepRow(group.kind, group.layers, step.name, step.working, step.value, step.unit)
            for group in (*self.groups, whole)
            for step in group.steps
        ]

    def __str__(self) -> str:
        lines = [self.title]
        for group in self.groups:
            lines.append(f"\n{group.layers} {group.kind} layers")
            lines += [f"  {_line(step)}" for step in group.steps]
        if self.steps:
            lines += ["", *(_line(step) for step in self.steps)]
        if self.bytes_per_gpu != self.bytes:
            lines.append(f"\non the fullest GPU: {self.bytes_per_gpu:,} bytes")
        lines.append(f"\n{self.formula}\n= {self.bytes:,} bytes")
        return "\n".join(lines)


def _line(step: ExplainedStep) -> str:
    if step.working == f"{step.value:,}":
        return f"{step.name}: {step.working} {step.unit}"
    return f"{step.name}: {step.working} = {step.value:,} {step.unit}"


def explain(cost: Cost, context: int, **given: int) -> Explanation:
    """Derive what a cost comes to for these quantities.

    Raises:
        KvcalcError: a quantity is not a positive int, or not in the cost's formula.
    """
    total = cost(context, **given)

    def evaluated(steps: Iterable[Step]) -> tuple[ExplainedStep, ...]:
        return tuple(
            ExplainedStep(
                step.name,
                step.working,
                Formula(step.value, cost.formula.variables)(context, **given),
                step.unit,
            )
            for step in steps
        )

    return Explanation(
        model=cost.model.name,
        engine=cost.engine,
        kv_cache_dtype=cost.kv_cache_dtype,
        settings=cost.settings,
        quantities={"context": context, **cost.formula.variables, **given},
        groups=tuple(
            ExplainedGroup(group.kind, group.layers, evaluated(group.steps))
            for group in cost.groups
        ),
        steps=evaluated(cost.steps),
        formula=str(cost.formula),
        bytes=total,
        bytes_per_gpu=cost.per_gpu(context, **given),
        why=cost.why,
    )


def lever(
    model: Model, engine: str, settings: Mapping[str, Any], context: int, sequences: int
) -> Lever | None:
    """Find the setting that would lower an engine's bytes most, of those worth trying.

    Raises:
        KvcalcError: the engine refuses the model or the settings as they are.
    """
    chosen = engines.find(engine)
    now = engines.cost(model, engine, **settings)(context, sequences=sequences)
    found = []
    for name, values in chosen.levers.items():
        for value in values:
            try:
                cost = engines.cost(model, engine, **{**settings, name: value})
                found.append((cost(context, sequences=sequences), name, value))
            except KvcalcError:  # not for this model: the next may be
                continue
    if not found or min(found)[0] >= now:
        return None
    lowest, name, value = min(found)
    return Lever(name, value, _flag(engine, name, value), lowest)


def _flag(engine: str, setting: str, value: Any) -> str:
    """Spell a setting as the engine's own flag, where its command line has one."""
    command = engines.find(engine).command
    if command is None:
        return f"--set {setting}={value}"
    switches = [flag for flag, gives in command.switches.items() if gives == (setting, value)]
    valued = [f"{flag} {value}" for flag, gives in command.values.items() if gives == setting]
    flags = [flag for flag in switches + valued if flag.startswith("--")]
    return next(iter(flags), f"--set {setting}={value}")
