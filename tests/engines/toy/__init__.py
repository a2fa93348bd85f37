"""A stranger's engine, by CONTRIBUTING alone: a page of 100 tokens in every layer."""

from typing import TYPE_CHECKING

from kvcalc.costs import CONTEXT, Cost
from kvcalc.dtypes import dtype
from kvcalc.engines.additive import TokenRows, additive_cost
from kvcalc.engines.engine import Engine, Settings
from kvcalc.formula.expression import ceil
from kvcalc.model import Model

if TYPE_CHECKING:
    from kvcalc.layers.attention import Attention


def cost(model: Model, settings: Settings) -> Cost:
    element = dtype(settings.kv_cache_dtype or model.dtype)

    def pages(layer: "Attention") -> list[TokenRows]:
        row = 2 * layer.kv_heads * element.row_bytes(layer.head_dim)
        return [TokenRows("a token of a layer", "both", row, ceil(CONTEXT, 100))]

    kinds = {"full_attention": pages, "sliding_attention": pages}
    return additive_cost(ENGINE.name, model, settings, element.name, kinds)


ENGINE = Engine(
    name="toy",
    version="1.0",
    source="tests/engines/toy",
    settings=Settings,
    kinds=("full_attention", "sliding_attention"),
    dtypes=("bfloat16", "fp8"),
    cost=cost,
    folder=__name__,
)
