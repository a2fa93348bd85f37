"""The derivation of an answer, step by step, in the engine's own terms."""

from dataclasses import dataclass

from kvcalc.costs import Cost
from kvcalc.formula import Formula


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
class Explanation:
    """A derivation: groups of layers, each with its steps, then the formula and its value."""

    title: str
    groups: tuple[ExplainedGroup, ...]
    formula: str
    bytes: int

    def __str__(self) -> str:
        lines = [self.title]
        for group in self.groups:
            lines.append(f"\n{group.layers} {group.kind} layers")
            lines += [
                f"  {step.name}: {step.working} = {step.value:,} {step.unit}"
                for step in group.steps
            ]
        lines.append(f"\n{self.formula}\n= {self.bytes:,} bytes")
        return "\n".join(lines)


def explain(cost: Cost, context: int, **given: int) -> Explanation:
    """Derive what a cost comes to for these quantities.

    Raises:
        KvcalcError: a quantity is not a positive int, or not in the cost's formula.
    """
    total = cost(context, **given)
    quantities = {"context": context, **cost.formula.variables, **given}
    stated = ", ".join(f"{name} {amount:,}" for name, amount in quantities.items())
    return Explanation(
        title=f"{cost.model.name} on {cost.engine}, {cost.kv_cache_dtype}: {stated}",
        groups=tuple(
            ExplainedGroup(
                group.kind,
                group.layers,
                tuple(
                    ExplainedStep(
                        step.name,
                        step.working,
                        Formula(step.value, cost.formula.variables)(context, **given),
                        step.unit,
                    )
                    for step in group.steps
                ),
            )
            for group in cost.groups
        ),
        formula=str(cost.formula),
        bytes=total,
    )
