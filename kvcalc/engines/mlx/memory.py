"""What MLX-LM gives its caches of a GPU's memory."""

from kvcalc.engines.memory import RANKS, Memory

SHARES = RANKS._replace(
    words="shared by mlx.launch over",
    note="over several Macs, mlx.launch starts the server on each, and each holds its heads of a "
    "model (mlx_lm/utils.py, sharded_load); types that it shares otherwise are not modelled",
)

MEMORY = Memory(
    source="all that macOS lets a GPU wire, three quarters of the unified memory unless "
    "iogpu.wired_limit_mb says more (then give --gpu-memory): mlx-lm asks for it "
    "(mlx_lm/utils.py, maybe_set_recommended_wired_limit), and caches grow as calls need them",
    reserve_source="nothing says what it uses besides; give what you see, and the caches of up to "
    "10 earlier prompts, which mlx_lm.server keeps unless --prompt-cache-size is 0 (server.py)",
    spread=SHARES,
)
