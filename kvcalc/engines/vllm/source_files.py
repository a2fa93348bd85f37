"""The files of vLLM's source that its releases' rules are in, named as below vllm/.

What was `v1/core/kv_cache_utils.py` is `kv_cache_planning.py` from 0.33.0 on.
"""

PLANNING = "v1/core/kv_cache_utils.py"
SPECS = "v1/kv_cache_interface.py"
CONFIG = "config/vllm.py"
ARGUMENTS = "engine/arg_utils.py"
CACHE = "config/cache.py"
COMPILATION = "config/compilation.py"
CHECKPOINT = "utils/torch_utils.py"
HEADS = "attention/layer.py, from 0.16.0 model_executor/layers/attention/attention.py"
HYBRIDS = "model_executor/models/config.py"
PLATFORM = "platforms/interface.py"
CUDA = "platforms/cuda.py"
EXAONE = "model_executor/models/exaone_moe.py"
WORKER = "v1/worker/gpu_worker.py"
INDEX = "config/attention.py, models/deepseek_v4/attention.py"
MROPE = "model_executor/layers/rotary_embedding/mrope.py"
SAMPLER = "v1/sample/ops/topk_topp_sampler.py"
SAMPLER_2 = "v1/worker/gpu/sample"
CONNECTORS = "distributed/kv_transfer/kv_connector/v1 (SupportsHMA)"
