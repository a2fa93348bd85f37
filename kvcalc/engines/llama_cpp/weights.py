"""Which device holds which of a GGUF file's tensors, and what stays in main memory.

llama.cpp of 2026-10-01 (commit 0c1e570): src/llama-model.cpp (load_tensors),
src/llama-model-loader.cpp (create_tensor), ggml/src/ggml-cuda/ggml-cuda.cu (get_alloc_size). The
rules are read, not measured.
"""

import re
from collections import Counter
from collections.abc import Callable, Sequence

from kvcalc.engines.llama_cpp.devices import MAIN_MEMORY, device_of, split_points
from kvcalc.engines.llama_cpp.settings import LlamaCppSettings
from kvcalc.engines.weights import Loaded, Weigh
from kvcalc.errors import RequestError, UnsupportedError
from kvcalc.model import Model
from kvcalc.parameters.gguf_mixes import CONVERTED
from kvcalc.parameters.quantized_gguf import made_by
from kvcalc.parameters.stored import Stored

BLOCK = re.compile(r"blk\.([0-9]{1,6})\.")
INPUT = re.compile(r"(token_embd|token_embd_norm|token_types|position_embd)\.")
"""Tensors of the input, which stay in main memory."""

HEAD, EMBEDDING = "output.weight", "token_embd.weight"
EXPERTS = re.compile(r"ffn_(up|down|gate|gate_up)_(ch|)exps")
"""Routed experts (common/common.h, LLM_FFN_EXPS_REGEX): not the shared ones, nor the router."""

PLAIN = re.compile(r"(B?F|I)[0-9]+")
"""Element types whose rows are not padded."""

PARTS = (
    (EXPERTS, "experts"),
    (re.compile("attn|ssm|shortconv"), "attention and states"),
    (re.compile("ffn"), "mlp"),
    (re.compile("output"), "lm_head"),
    (re.compile("token_embd"), "embedding"),
    (re.compile(""), "other"),
)
"""What a tensor is a part of, by the first expression that its name holds."""

ALIGNMENT, ROW = 128, 512
"""Bytes that a tensor begins at multiples of on CUDA, and elements that it pads rows to."""

HOST_ALIGNMENT = 32
"""Bytes that a tensor begins at multiples of in main memory (ggml/src/ggml-backend.cpp)."""


def weigh(model: Model, settings: LlamaCppSettings, stored: Sequence[Stored] = ()) -> Loaded | None:
    """What each device loads of a GGUF file's tensors, and main memory; None without them.

    Without a file they are those that the checkpoint becomes where its types are kept. Rows that
    devices share (--split-mode row, tensor) are dealt in ways that were not read.

    Raises:
        RequestError: --override-tensor names a place that is not known.
    """
    tensors = stored or converted(model)
    if not tensors or settings.split_mode in ("row", "tensor"):
        return None
    devices, main = dealt(settings, tensors)
    return Loaded(
        tuple(_parts(held, on_a_device) for held in devices), host=_parts(main, in_main_memory)
    )


def converted(model: Model) -> Sequence[Stored]:
    """The tensors of the file that a published checkpoint is converted to; none if not known."""
    format_name = model.quantization.format if model.quantization else None
    mix = CONVERTED.get((model.dtype, format_name))
    if mix is None or model.tensors is None:
        return ()
    try:
        return tuple(made_by(mix, model.tensors, model.model_type, len(model.layers)))
    except UnsupportedError:
        return ()


def dealt(
    settings: LlamaCppSettings, stored: Sequence[Stored]
) -> tuple[list[list[Stored]], list[Stored]]:
    """Deal a file's tensors to each device and to main memory; a tied embedding is there twice.

    Raises:
        RequestError: --override-tensor names a place that is not known.
    """
    names = {tensor.name for tensor in stored}
    blocks, points = blocks_of(stored), split_points(settings)
    devices: list[list[Stored]] = [[] for _ in points]
    main: list[Stored] = []
    for tensor in stored:
        again = tensor.name == EMBEDDING and HEAD not in names
        for name in (tensor.name, *((HEAD,) if again else ())):
            device = _device(name, blocks, settings, points)
            held = main if device is MAIN_MEMORY else devices[device]
            held.append(tensor._replace(name=name))
    return devices, main


def blocks_of(stored: Sequence[Stored]) -> int:
    """How many blocks a file has, those of layers that draft too."""
    found = (BLOCK.match(tensor.name) for tensor in stored)
    return 1 + max((int(one[1]) for one in found if one), default=0)


def _parts(tensors: Sequence[Stored], size_of: Callable[[Stored], int]) -> Counter[str]:
    parts: Counter[str] = Counter()
    for tensor in tensors:
        parts[_part(tensor.name)] += size_of(tensor)
    return parts


def _device(
    name: str, blocks: int, settings: LlamaCppSettings, points: Sequence[float]
) -> int | None:
    """The device of a tensor; None is main memory. The head is of the output."""
    for pattern, place in settings.overrides:
        if re.search(pattern, name):
            return _named(place, len(points))
    found = BLOCK.match(name)
    if INPUT.match(name):
        return MAIN_MEMORY
    layer = int(found[1]) if found else blocks
    if found and layer < settings.n_cpu_moe and EXPERTS.search(name):
        return MAIN_MEMORY
    return device_of(layer, blocks, settings, points)


def _named(place: str, devices: int) -> int | None:
    """A buffer type of --override-tensor: CPU, or a device's, as CUDA1."""
    number = re.fullmatch(r"(?:CUDA|Vulkan|ROCm|Metal|SYCL)([0-9]{0,2})", place)
    if number is None and place != "CPU":
        raise RequestError.of("override_tensor", place, "CPU or a device, as CUDA0")
    device = MAIN_MEMORY if number is None else int(number[1] or 0)
    if device is not MAIN_MEMORY and device >= devices:
        raise RequestError.of("override_tensor", place, f"one of the {devices} devices")
    return device


def _part(name: str) -> str:
    return next(part for expression, part in PARTS if expression.search(name))


def on_a_device(tensor: Stored) -> int:
    """Bytes of a tensor in a device's buffer: the rest of a quantised row is there too."""
    rest = -tensor.row % ROW if PLAIN.fullmatch(tensor.dtype) is None else 0
    size = tensor.bytes + rest * tensor.bytes // tensor.elements
    return -(-size // ALIGNMENT) * ALIGNMENT


def in_main_memory(tensor: Stored) -> int:
    """Bytes of a tensor in main memory, where it is not a part of the mapped file."""
    return -(-tensor.bytes // HOST_ALIGNMENT) * HOST_ALIGNMENT


WEIGHTS: Weigh = weigh
