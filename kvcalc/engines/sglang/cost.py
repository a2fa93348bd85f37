"""What S requests of N tokens hold of SGLang's pools.

The page that a pool has beside them, and the request table, are the pool's own.
"""

from kvcalc.costs import Cost, Split, formula
from kvcalc.engines.sglang.derivation import group, steps, why
from kvcalc.engines.sglang.layout import lay_out
from kvcalc.engines.sglang.resolved import resolve
from kvcalc.engines.sglang.settings import SglangSettings
from kvcalc.engines.sglang.stored import FULL, WINDOW
from kvcalc.engines.sglang.units import Units
from kvcalc.engines.sglang.window import keeping
from kvcalc.formula.expression import Value
from kvcalc.formula.formula import Formula
from kvcalc.model import Model

NO_SPLIT = (
    "SGLang's window pool takes the larger of two needs: one request reads its prompt while the "
    "others generate, so no share of it is one request's"
)


def cost(model: Model, settings: SglangSettings) -> Cost:
    """Work out what requests hold of SGLang's pools.

    Raises:
        KvcalcError: a layer kind, an element type, a setting or ranks that SGLang refuses.
    """
    resolved = resolve(model, settings)
    layout = lay_out(model, settings, resolved)
    units = Units(layout, resolved, keeping(model, settings, resolved))
    built = {
        name: f"{name}: SGLang's formula is built for one value; give it to kvcalc.cost"
        for name in type(settings).model_fields
    }

    def bound(expression: Value) -> Formula:
        return formula(model, expression, fixed=built)

    whole = bound(units.total(layout.bytes_of, resolved.ranks, fullest=False))
    return Cost(
        model=model,
        engine="sglang",
        kv_cache_dtype=resolved.format.name,
        settings=settings.changed(),
        formula=whole,
        per_gpu=bound(units.total(layout.bytes_of, 1, fullest=True)),
        split=NO_SPLIT if layout.bytes_of(WINDOW) else Split(bound(_of_one_request(units))),
        groups=tuple(group(one, units, bound) for one in layout.all),
        steps=steps(units),
        why=why(model, settings, units),
    )


def _of_one_request(units: Units) -> Value:
    ranks, bytes_of = units.resolved.ranks, units.layout.bytes_of
    beside = units.beside_pages(bytes_of) * ranks
    full = bytes_of(FULL) * ranks
    return units.pages * full + beside if full else beside
