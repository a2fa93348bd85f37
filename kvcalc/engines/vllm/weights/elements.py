"""What one element of a tensor takes in vLLM where it is not quantised.

vLLM 0.33.0, the models' files; measured (tests/oracles/vllm_weights.json).
"""

from collections.abc import Mapping

from kvcalc.dtypes import dtype
from kvcalc.model import Model
from kvcalc.parameters.tensor import Role, Tensor

FLOAT32_ROLES: frozenset[Role] = frozenset({"router_correction", "decay"})
"""What is float32 whatever the model's type."""

FLOAT32: Mapping[str, frozenset[Role]] = {
    "minimax_m2": frozenset({"router"}),
    "mimo_v2_flash": frozenset({"router"}),
    "deepseek_v32": frozenset({"index_norm"}),
    "glm_moe_dsa": frozenset({"index_norm"}),
    "deepseek_v4": frozenset({"hyper_connection", "sinks", "compressor_ape", "index_ape"}),
}
"""What else is float32, by model type."""

INT32: frozenset[Role] = frozenset({"router_table"})


def element_bytes(tensor: Tensor, model: Model, own: str) -> int:
    """Bytes of one element of a model that is run in the type `own`."""
    wide = FLOAT32_ROLES | FLOAT32.get(model.model_type or "", frozenset()) | INT32
    return 4 if tensor.role in wide else dtype(own).row_bytes(1)
