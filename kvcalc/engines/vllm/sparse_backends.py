"""The backends of sparse latent attention that a GPU's generation has, by release.

By the compute capability before its dot, 0 for GPUs that are not NVIDIA's; of several the first
that stores the format is taken. A generation that is missing has none: vLLM does not start. From
platforms/cuda.py (_get_backend_priorities), platforms/rocm.py and each backend's own
supports_compute_capability.
"""

from collections.abc import Mapping

SparseBackends = Mapping[int, tuple[str, ...]]

FLASHMLA_ALONE: SparseBackends = {9: ("FLASHMLA_SPARSE",), 10: ("FLASHMLA_SPARSE",)}
WITH_AITER: SparseBackends = {**FLASHMLA_ALONE, 0: ("ROCM_AITER_MLA_SPARSE",)}
FLASHINFER_ON_10: SparseBackends = {
    **WITH_AITER,
    10: ("FLASHINFER_MLA_SPARSE", "FLASHMLA_SPARSE"),
}
WITH_12: SparseBackends = {**FLASHINFER_ON_10, 12: ("FLASHINFER_MLA_SPARSE_SM120",)}
FLASHINFER_ON_9: SparseBackends = {
    **WITH_12,
    9: ("FLASHMLA_SPARSE", "FLASHINFER_MLA_SPARSE_SM90"),
}
