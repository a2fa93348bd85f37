"""Pipeline stages: how layers are dealt to them (vLLM 0.33.0, distributed/utils.py)."""

from kvcalc.errors import RequestError


def stage_sizes(layers: int, stages: int, partition: str | None) -> tuple[int, ...]:
    """Layers of each stage: as many each, the rest from the last but one stage backwards.

    `partition` is what VLLM_PP_LAYER_PARTITION holds, as "16,15,15,15".

    Raises:
        RequestError: the partition is not one number per stage, which sum to the layers.
    """
    if partition is None:
        if stages > layers:
            raise RequestError.of("pipeline_parallel_size", stages, f"at most the {layers} layers")
        size, rest = divmod(layers, stages)
        return tuple(size + (stages - 1 - rest <= stage < stages - 1) for stage in range(stages))
    try:
        sizes = tuple(int(part) for part in partition.split(","))
    except ValueError:
        sizes = ()
    if len(sizes) != stages or sum(sizes) != layers or min(sizes) < 0:
        raise RequestError.of(
            "pp_layer_partition", partition, f"{stages} numbers that sum to the {layers} layers"
        )
    return sizes
