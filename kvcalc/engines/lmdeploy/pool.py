"""The blocks that LMDeploy cuts a memory into (0.18.0)."""

from kvcalc.costs import formula
from kvcalc.engines.lmdeploy.layout import layout
from kvcalc.engines.lmdeploy.settings import LmdeploySettings
from kvcalc.errors import TooLittleMemoryError, UnsupportedError
from kvcalc.model import Model
from kvcalc.pools import Pool

LEAST_BLOCKS = 3


def pool(
    model: Model, settings: LmdeploySettings, memory: int | tuple[int, ...], context: int
) -> Pool:
    """Cut a memory up into blocks (pytorch/engine/executor/base.py).

    The rank with the least memory decides; one block is held back (config_builder.py).

    Raises:
        UnsupportedError: as `cost`; or a model with states.
        TooLittleMemoryError: room for no more than two blocks.
    """
    made = layout(model, settings)
    if made.state:
        raise UnsupportedError(
            "lmdeploy reserves states for max_batch_size sequences before it cuts blocks; pools "
            f"of models with states, as {model.name}, are not modelled",
            engine="lmdeploy",
            what="states",
        )
    smallest = memory if isinstance(memory, int) else min(memory)
    blocks = smallest // made.block_bytes
    if blocks < LEAST_BLOCKS:
        raise TooLittleMemoryError(
            f"memory: found room for {blocks} blocks of {made.block_bytes:,} bytes, and lmdeploy "
            f"stops below {LEAST_BLOCKS}",
            needed_bytes=LEAST_BLOCKS * made.block_bytes,
            available_bytes=smallest,
        )
    request = formula(model, made.blocks)(context)
    return Pool(
        model=model,
        engine="lmdeploy",
        kv_cache_dtype=made.kv_cache_dtype,
        settings=settings.changed(),
        context=context,
        bytes=blocks * made.block_bytes,
        capacity_tokens=(blocks - 1) * made.block_tokens,
        max_sequences=(blocks - 1) // request,
        figures={
            "num_gpu_blocks": blocks,
            "block_size": made.block_tokens,
            "bytes_per_block": made.block_bytes,
            "blocks_per_request": request,
        },
    )
