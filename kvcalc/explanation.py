"""The derivation of an answer, step by step, in the engine's own terms."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from kvcalc.errors import quote
from kvcalc.units import at_version


@dataclass(frozen=True)
class ExplainedStep:
    """A step: its name, how it is worked out, its value and the value's unit."""

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
    """The setting that would lower the answer most, as the engine's flag, and the bytes then."""

    setting: str
    value: Any
    flag: str
    bytes: int


@dataclass(frozen=True)
class StepRow:
    """A step, and the kind of its group of layers; "all" is the whole model."""

    kind: str
    layers: int
    step: str
    working: str
    value: int
    unit: str


@dataclass(frozen=True, repr=False)
class Explanation:
    """A derivation: the steps of each group of layers, the steps of the whole, and the formula.

    `engine_version` is the release that it holds for. `settings` are those that differ from the
    engine's defaults; `quantities` are the values for which the formula was evaluated. `bytes` is
    over all ranks, `bytes_per_gpu` on the fullest. `lever` is None if no setting lowers the bytes
    without changing what is stored, or if none was looked for.
    """

    model: str
    engine: str
    engine_version: str
    kv_cache_dtype: str
    settings: Mapping[str, Any] = field(hash=False)
    quantities: Mapping[str, int] = field(hash=False)
    groups: tuple[ExplainedGroup, ...]
    steps: tuple[ExplainedStep, ...]
    formula: str
    bytes: int
    bytes_per_gpu: int
    why: str
    lever: Lever | None = None

    def __repr__(self) -> str:
        return (
            f"Explanation(model={quote(self.model)}, engine={self.engine!r}, "
            f"kv_cache_dtype={self.kv_cache_dtype!r}, formula={quote(self.formula)}, "
            f"bytes={self.bytes}, bytes_per_gpu={self.bytes_per_gpu})"
        )

    @property
    def title(self) -> str:
        """What is explained, in one line."""
        stated = [f"{name} {amount:,}" for name, amount in self.quantities.items()]
        stated += [
            f"{name} {value}"
            for name, value in self.settings.items()
            if name not in self.quantities
        ]
        engine = at_version(self.engine, self.engine_version)
        return f"{self.model} on {engine}, {self.kv_cache_dtype}: {', '.join(stated)}"

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
