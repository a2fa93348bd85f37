"""What requests hold on ExLlamaV3 while they live: what their tokens take.

A job takes the pages of all that it may generate, or, where TabbyAPI chunks the output, its
prompt's and more as it goes (generator/job.py, max_rq_tokens).
"""

from kvcalc.engines.traffic import AS_THEY_COME

TRAFFIC = AS_THEY_COME
