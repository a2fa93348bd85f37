"""vLLM's planner of the release that can be imported: layers in, what it planned out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

from tests.oracles.measure.environment import installed, load

Specs = dict[str, Any]
"""A specification of each layer, by the layer's name."""

MEMORY = 50 << 30
"""What stands in for the memory profile of a GPU, in bytes."""

config_module = load("vllm.config")
interface = load("vllm.v1.kv_cache_interface")
utilities = load("vllm.v1.core.kv_cache_utils")
PLANNING = "vllm.v1.core.kv_cache_planning"
planner = load(PLANNING) if installed(PLANNING) else utilities
torch = load("torch")

OWN = ("max_concurrent_batches", "max_in_flight_tokens")
"""Properties of VllmConfig that are the release's own, where it has them."""

Config = type(
    "Config",
    (SimpleNamespace,),
    {
        name: vars(config_module.VllmConfig)[name]
        for name in OWN
        if name in vars(config_module.VllmConfig)
    },
)

LAYOUT = "LBNHC"
"""The layer outermost: the default order of the cache's dimensions."""


@dataclass(frozen=True)
class Setup:
    """The settings of one start-up, by vLLM's names."""

    max_model_len: int
    max_num_batched_tokens: int
    async_scheduling: bool = False
    hybrid_manager: bool = True
    stages: int = 1
    tensor_parallel_size: int = 1
    mamba_cache_mode: str = "none"
    layout: str = LAYOUT
    num_prefill_lookahead_tokens: int = 0
    cache: Mapping[str, Any] = field(default_factory=dict)
    model: Mapping[str, Any] = field(default_factory=dict)

    def config(self) -> Any:
        """What stands in for VllmConfig: what planning reads of it."""
        layouts = getattr(interface, "KVCacheLayout", None)
        layout = layouts[self.layout] if layouts else self.layout
        return Config(
            model_config=SimpleNamespace(
                max_model_len=self.max_model_len,
                original_max_model_len=self.max_model_len,
                supports_kv_cache_grouping=False,
                dtype=torch.bfloat16,
                **self.model,
            ),
            scheduler_config=SimpleNamespace(
                max_num_batched_tokens=self.max_num_batched_tokens,
                max_num_encoder_input_tokens=self.max_num_batched_tokens,
                async_scheduling=self.async_scheduling,
                disable_hybrid_kv_cache_manager=not self.hybrid_manager,
            ),
            parallel_config=SimpleNamespace(
                tensor_parallel_size=self.tensor_parallel_size,
                pipeline_parallel_size=self.stages,
                decode_context_parallel_size=1,
                prefill_context_parallel_size=1,
            ),
            cache_config=SimpleNamespace(
                mamba_cache_mode=self.mamba_cache_mode,
                num_gpu_blocks_override=None,
                prefix_cache_retention_interval=None,
                enable_prefix_caching=True,
                get_resolved_kv_cache_layout=lambda: layout,
                **self.cache,
            ),
            attention_config=SimpleNamespace(hisparse_config=None),
            device_config=SimpleNamespace(device_type="cuda"),
            compilation_config=SimpleNamespace(static_forward_context={}),
            speculative_config=None,
            kv_transfer_config=None,
            use_v2_model_runner=True,
            num_speculative_tokens=0,
            num_prefill_lookahead_tokens=self.num_prefill_lookahead_tokens,
        )


def made(kind: str, **sizes: Any) -> Any:
    """A specification of that class, of the sizes that the release's class has a field for."""
    of_kind = getattr(interface, f"{kind}Spec")
    fields = of_kind.__dataclass_fields__
    return of_kind(**{name: value for name, value in sizes.items() if name in fields})


def planned(config: Any, stages: Sequence[Specs]) -> dict[str, Any]:
    """Plan the stages' layers in 50 GiB each; the start-up check notes what it would ask for."""
    needs: list[int] = []
    if hasattr(planner, "_check_enough_kv_cache_memory"):
        planner._check_enough_kv_cache_memory = lambda memory, need, *rest: needs.append(need())
    else:
        planner.check_enough_kv_cache_memory = lambda config, specs, memory: needs.append(
            planner.max_memory_usage_bytes(config, specs.values())
        )
    memory = [MEMORY] * len(stages)
    try:
        if hasattr(planner, "get_global_kv_cache_groups"):
            groups = planner.get_global_kv_cache_groups(config, list(stages))
            ranks = planner.get_kv_cache_configs(config, list(stages), memory, groups)
        else:
            ranks = planner.get_kv_cache_configs(config, list(stages), memory)
    except Exception as error:  # whatever a release refuses with
        return {"refused": str(error), "error": type(error).__name__}
    return figures(config, ranks, needs)


def figures(config: Any, ranks: Sequence[Any], needs: Sequence[int]) -> dict[str, Any]:
    """What came out, by the names that the files have."""
    first = ranks[0]
    groups = first.kv_cache_groups
    of_block = bytes_per_block(config, first)
    held = utilities.get_max_concurrency_for_kv_cache_config(config, first)
    blocks = round(first.num_blocks / held)
    return {
        "group_layers": [
            sum(len(rank.kv_cache_groups[place].layer_names) for rank in ranks)
            for place in range(len(groups))
        ],
        "group_kinds": [type(one.kv_cache_spec).__name__.replace("Spec", "") for one in groups],
        "group_block_sizes": [one.kv_cache_spec.block_size for one in groups],
        "bytes_per_block": of_block,
        "blocks_per_request": blocks,
        "bytes_per_request": blocks * of_block,
        "rank_bytes_per_block": [bytes_per_block(config, rank) for rank in ranks],
        "rank_bytes_per_request": list(needs),
        "startup_needs": needs[0],
        "num_blocks_in_50GiB": first.num_blocks,
        "max_concurrency_in_50GiB": held,
        "label_tokens_in_50GiB": label(config, first),
    }


def bytes_per_block(config: Any, rank: Any) -> int:
    """Bytes of one block of a rank's pool: as the release says it, else of all its tensors."""
    if not hasattr(planner, "_pool_bytes_per_block"):
        return int(sum(tensor.size for tensor in rank.kv_cache_tensors) // rank.num_blocks)
    count = planner._pool_bytes_per_block.__code__.co_argcount
    given = (config, rank.kv_cache_groups)
    return int(planner._pool_bytes_per_block(*given[2 - count :]))


def label(config: Any, rank: Any) -> int:
    """The tokens of the log's line "GPU KV cache size"."""
    if hasattr(utilities, "get_kv_cache_capacity"):
        return int(utilities.get_kv_cache_capacity(config, rank)[0])
    lines: list[tuple[str, ...]] = []

    def note(*line: str, **named: object) -> None:
        lines.append(line)

    logger = utilities.logger
    utilities.logger = SimpleNamespace(info=note, info_once=note)
    utilities._report_kv_cache_config(config, rank)
    utilities.logger = logger
    (tokens,) = (line[1] for line in lines if line[0].startswith("GPU KV cache size"))
    return int(tokens.replace(",", ""))
