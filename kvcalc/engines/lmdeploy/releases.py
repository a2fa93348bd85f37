"""LMDeploy's releases from 0.16.0 to 0.18.0, and what of its PyTorch engine's cache changed.

Read from the wheels of these releases, in which the files are named as here below
lmdeploy/pytorch/. The cache engine was written anew in 0.18.0; its bytes stayed.
"""

from kvcalc.engines.lmdeploy.rules import always_256, multiples_of_128
from kvcalc.engines.releases import Change, Release, Releases

FIRST = Release(
    "0.16.0",
    rules={
        "packed_rows": Change(
            frozenset({"deepseek_v32"}),
            "DeepSeek V3.2's latent rows are stored as fp8_ds_mla by themselves",
            "configurations/deepseek_v32.py",
        ),
        "compressed_block": Change(
            multiples_of_128,
            "DeepSeek V4's block is at least 256 tokens, and a multiple of 128",
            "configurations/deepseek_v4.py",
        ),
        "score_workspace": Change(
            0, "nothing is kept back for the scores of an indexer", "engine/executor/base.py"
        ),
    },
)

ROWS = (
    FIRST,
    Release(
        "0.17.0",
        rules={
            "packed_rows": Change(
                frozenset(),
                "sparse latent rows are stored in the model's type unless quant_policy packs them",
                "configurations/deepseek_v32.py",
                back=("quant_policy", 16),
            ),
            "compressed_block": Change(
                always_256,
                "DeepSeek V4's block is 256 tokens, whatever is asked",
                "configurations/deepseek_v4.py",
            ),
            "score_workspace": Change(
                512 * 2**20,
                "512 MiB are kept back for the scores of an indexer",
                "engine/executor/base.py, envs.py",
            ),
        },
        models=("kimi_k25",),
    ),
)

RELEASES = Releases("lmdeploy", newest="0.18.0", rows=ROWS)
