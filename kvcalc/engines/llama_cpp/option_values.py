"""What the options of llama-server take (llama.cpp as of 2026-10-01, commit 0c1e570)."""

from collections.abc import Mapping

from kvcalc.engines.server.option_values import INT32, Choices, Listed, Takes, Whole

ARG = "common/arg.cpp"
CACHE_TYPES = Choices(
    f"{ARG}, kv_cache_types",
    ("f32", "f16", "bf16", "q8_0", "q4_0", "q4_1", "iq4_nl", "q5_0", "q5_1"),
)
TRUTH = Choices(
    "common/arg.cpp, is_truthy and is_falsey",
    ("on", "enabled", "true", "1", "off", "disabled", "false", "0"),
)
"""What a variable that stands for a switch takes."""

TAKES: Mapping[str, Takes] = {
    "kv_unified": TRUTH,
    "swa_full": TRUTH,
    "offload_kqv": TRUTH,
    "context": Whole(f"{ARG}, --ctx-size, a C++ int", most=INT32),
    "sequences": Whole(f"{ARG}, --parallel, a C++ int", most=INT32),
    "batch_size": Whole(f"{ARG}, --batch-size, a C++ int", most=INT32),
    "ubatch_size": Whole(f"{ARG}, --ubatch-size, a C++ int", most=INT32),
    "cache_type_k": CACHE_TYPES,
    "cache_type_v": CACHE_TYPES,
    "flash_attn": Choices(f"{ARG}, --flash-attn", ("on", "off", "auto")),
    "split_mode": Choices(f"{ARG}, --split-mode", ("none", "layer", "row", "tensor")),
    "tensor_split": Listed(
        f"{ARG}, --tensor-split: fewer than llama_max_devices() (src/llama.cpp), which is 16",
        pattern=r"[0-9.]+(e[+-]?[0-9]+)?",
        joint=",",
        most=15,
    ),
    "n_gpu_layers": Whole(f"{ARG}, --gpu-layers, std::stoi", least=0, most=INT32),
    "n_cpu_moe": Whole(f"{ARG}, --n-cpu-moe, a C++ int", least=0, most=INT32),
    "override_tensor": Listed(f"{ARG}, --override-tensor", pattern="[^,]+=[A-Za-z0-9]+", joint=","),
    "spec_type": Choices("common/speculative.cpp, names of the types", ("draft-mtp",)),
    "spec_draft_n_max": Whole(f"{ARG}, --spec-draft-n-max", least=0, most=INT32),
}
