"""What TensorRT-LLM gives its cache of a GPU's memory."""

from fractions import Fraction

from kvcalc.engines.memory import FREE, Memory

MEMORY = Memory(
    source="TensorRT-LLM, tensorrt_llm/_torch/pyexecutor/resource_manager.py",
    reserve_source="TensorRT-LLM measures it when it starts; give what its log shows",
    share="free_gpu_memory_fraction",
    of=FREE,
    default=Fraction("0.9"),
)
