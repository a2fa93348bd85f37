"""What requests hold on MLX while they live: what their tokens take, each by itself.

mlx_lm.server pads the requests that run at once to the longest of them (0.32.2,
mlx_lm/models/cache.py: BatchKVCache), and that is on top.
"""

from kvcalc.engines.traffic import Sum

TRAFFIC = (Sum("full length, unpadded"), Sum("prompt alone, unpadded", "prompt"))
