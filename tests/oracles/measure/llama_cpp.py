"""Measure llama.cpp's cases again: python tests/oracles/measure/llama_cpp.py 0.3.36 --sample 50

Builds the llama.cpp that a release of llama-cpp-python vendors (CMake, a C++ compiler; without
optimisation, once) and a small program on it (llama_cpp.cpp), which makes a model of its GGUF keys
alone with no_alloc, creates a context and sums the context's part of llama_get_memory_breakdown.
Nothing is allocated, so nothing stands in for a GPU; the sizes beside the cache are tiny. Of
llama_cpp_more the total of each case is measured, not the share of each memory, and not the
fixtures; NOT_LOADED names nine models that llama.cpp does not load from their keys alone.
"""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[3]))

from tests.oracles.measure import comparison, environment
from tests.oracles.measure.comparison import ORACLES, Case, Form

PROGRAM = Path(__file__).with_suffix(".cpp")

LEFT_OUT = ("TESTS", "EXAMPLES", "TOOLS", "SERVER", "COMMON")
"""Parts of llama.cpp that are not built."""

TINY: Mapping[str, Any] = {
    "vocab_size": 128,
    "context_length": 262_144,
    "embedding_length": 256,
    "feed_forward_length": 128,
    "attention.layer_norm_rms_epsilon": 1e-5,
    "attention.layer_norm_epsilon": 1e-5,
    "expert_count": 2,
    "expert_used_count": 1,
    "expert_feed_forward_length": 64,
    "expert_shared_count": 1,
    "leading_dense_block_count": 1,
    "expert_gating_func": 2,
    "attention.q_lora_rank": 64,
    "expert_weights_scale": 1.0,
    "expert_weights_norm": True,
    "attention.indexer.block_size": 64,
    "attention.compress_rope_freq_base": 10_000.0,
    "activation.situ_beta": 1.0,
    "activation.situ_linear_beta": 1.0,
    "attention.indexer.top_k": 64,
    "attention.indexer.head_count": 4,
    "attention.relative_buckets_count": 8,
    "attn_res.block_size": 4,
    "rope.dimension_sections": [11, 11, 10, 0],
    "embedding_length_per_layer_input": 64,
    "interleave_moe_layer_step": 1,
    "logit_scale": 1.0,
    "residual_scale": 1.0,
    "attention.decay_lora_rank": 64,
    "attention.iclr_lora_rank": 64,
    "attention.value_residual_mix_lora_rank": 64,
    "attention.gate_lora_rank": 64,
    "hyper_connection.count": 4,
    "hyper_connection.sinkhorn_iterations": 2,
    "hyper_connection.epsilon": 1e-6,
    "hash_layer_count": 1,
    "attention.output_lora_rank": 64,
    "attention.output_group_count": 1,
    "swiglu_clamp_exp": 7.0,
    "rope.freq_base_swa": 10_000.0,
}
"""Keys beside the cache, where a shape does not give them."""


def built(version: str) -> Path:
    """The program, built on the llama.cpp of that release."""
    vendored = environment.sources("llama-cpp-python", version) / "vendor" / "llama.cpp"
    build = environment.CACHE / f"llama-cpp-python-{version}-build"
    program = build / "measure"
    if program.exists() and program.stat().st_mtime > PROGRAM.stat().st_mtime:
        return program
    os.nice(10)
    off = [f"-DLLAMA_BUILD_{part}=OFF" for part in LEFT_OUT]
    off += ["-DGGML_NATIVE=OFF", "-DGGML_OPENMP=OFF", "-DBUILD_SHARED_LIBS=ON"]
    fast = [f"-DCMAKE_{language}_FLAGS=-O0" for language in ("C", "CXX")]
    environment.run("cmake", "-S", vendored, "-B", build, *off, *fast)
    jobs = str(os.cpu_count() or 1)
    environment.run("cmake", "--build", build, "--target", "llama", "-j", jobs)
    seen = [f"-I{vendored / part}" for part in ("include", "ggml/include", "src")]
    libraries = ("-lllama", "-lggml", "-lggml-base", "-lggml-cpu")
    places = (f"-L{build / 'bin'}", f"-Wl,-rpath,{build / 'bin'}")
    environment.run(
        "c++", "-std=c++17", *seen, str(PROGRAM), *places, *libraries, "-o", str(program)
    )
    return program


class Engine:
    """The running program: one model at a time."""

    def __init__(self, program: Path) -> None:
        self.program = program
        self.model: object = None
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(
            [self.program],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            env={**os.environ, "GGML_NO_BACKTRACE": "1"},
        )

    def bytes_of(self, model: str, arch: str, keys: Mapping[str, Any], settings: str) -> str:
        """The bytes of a context of a model, or "refused", as where llama.cpp ends the program."""
        assert self.process.stdin
        assert self.process.stdout
        lines = f"ctx {settings}\n"
        if self.model != model:
            lines = f"arch {arch}\n" + "".join(map(line_of, keys.items())) + lines
        self.model = model
        self.process.stdin.write(lines)
        self.process.stdin.flush()
        if answer := self.process.stdout.readline().strip():
            return answer
        self.model = None
        self.process.wait()
        self.start()
        return "refused"


WORDS = {bool: "bool", float: "f32", int: "u32"}
"""The program's word for a key of a type."""


def line_of(key: tuple[str, Any]) -> str:
    """A key as the program reads it."""
    name, value = key
    if isinstance(value, list):
        return f"u32s {name} {len(value)} {' '.join(str(int(one)) for one in value)}\n"
    return f"{WORDS[type(value)]} {name} {value}\n".replace("True", "1").replace("False", "0")


NOT_LOADED = {
    "DeepSeek-V3.2": "a next-token layer asks for its tensors",
    "GLM-5": "a next-token layer asks for its tensors",
    "Qwen3-Next-80B-A3B": "a next-token layer asks for its tensors",
    "Qwen3.5-27B": "a next-token layer asks for its tensors",
    "GLM-4.5-Air": "a next-token layer asks for its tensors",
    "MiMo-V2-Flash": "a next-token layer asks for its tensors",
    "DeepSeek-V4-Flash": "more keys beside the cache",
    "MiniMax-M3": "more keys beside the cache",
    "Nemotron-3-Nano-30B-A3B": "feed-forward lengths by layer",
}
"""Models that llama.cpp does not load from these keys alone, and what it lacks."""


@cache
def engine(version: str) -> Engine:
    return Engine(built(version))


def settings_of(case: Case) -> str:
    """The columns of a case, as the program reads them; llama_cpp.json has the first seven."""
    numbers = ("n_ctx", "n_seq_max", "n_ubatch", "type_k", "type_v", "swa_full", "kv_unified")
    given = [case[name] for name in numbers]
    given += [case.get("n_rs_seq", 0), case.get("flash_attn", True)]
    given.append(case.get("ctx_type", "default") == "mtp")
    return " ".join(str(int(one) if isinstance(one, bool) else one) for one in given)


def plain_keys(shape: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of one of llama_cpp.json's four shapes."""
    window = {
        "attention.sliding_window": shape["window"],
        "attention.sliding_window_pattern": len(shape["pattern"]),
    }
    return {
        **TINY,
        "block_count": shape["layers"],
        "attention.head_count": shape["kv_heads"],
        "attention.head_count_kv": shape["kv_heads"],
        "attention.key_length": shape["head_dim"],
        "attention.value_length": shape["head_dim"],
        **(window if shape["window"] else {}),
    }


def further_keys(own: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of a published model's shape; of latent rows 64 elements are rotary."""
    rotary = {"rope.dimension_count": 64} if "attention.key_length_mla" in own else {}
    said = {name: bool(own[name]) for name in SAID if name in own}
    return {**TINY, **rotary, **own, **said}


SAID = ("ssm.dt_b_c_rms",)
"""Keys that are true or false; gguf_shapes.json has them as numbers."""


@cache
def shapes() -> dict[str, Any]:
    table = json.loads((ORACLES / "gguf_shapes.json").read_text())
    return {one["name"]: one for one in table["models"]}


def forms(version: str) -> list[Form]:
    def plain(table: Mapping[str, Any], case: Case) -> Case:
        shape = table["models"][case["model"]]["shape"]
        name, keys = f"plain {case['model']}", plain_keys(shape)
        return answered(name, shape["arch"], keys, case)

    def further(table: Mapping[str, Any], case: Case) -> Case:
        shape = shapes()[table["models"][case["model"]]["name"]]
        return answered(shape["name"], shape["arch"], further_keys(shape["gguf"]), case)

    def answered(name: str, arch: str, keys: Mapping[str, Any], case: Case) -> Case:
        answer = engine(version).bytes_of(name, arch, keys, settings_of(case))
        return {"refused": True} if answer == "refused" else {"bytes": int(answer)}

    def rows(table: Mapping[str, Any]) -> list[Any]:
        kinds: dict[str, Case] = {"cases": {}, "refused": {"refused": True}}
        return [
            {"model": place, "row": at, **dict(zip(table["columns"], row, strict=False)), **said}
            for place, model in enumerate(table["models"])
            for kind, said in kinds.items()
            for at, row in enumerate(model.get(kind, []))
        ]

    def loads(case: Case) -> bool:
        return list(shapes())[case["model"]] not in NOT_LOADED

    def put(table: Mapping[str, Any], case: Any, found: Case, asked: frozenset[str]) -> None:
        if "bytes" in found and "refused" not in case:
            row = table["models"][case["model"]]["cases"][case["row"]]
            row[table["columns"].index("bytes")] = found["bytes"]

    asked = frozenset(
        (
            *("model", "row", "n_ctx", "n_seq_max", "n_ubatch", "type_k", "type_v", "swa_full"),
            *("kv_unified", "n_rs_seq", "flash_attn", "ctx_type", "memories"),
        )
    )
    return [
        Form("llama_cpp", plain, asked, cases=rows, put=put),
        Form("llama_cpp_more", further, asked, only=loads, cases=rows, put=put),
    ]


if __name__ == "__main__":
    given = comparison.arguments(__doc__, [form.file for form in forms("")])
    version = given.version
    if version == "newest":
        version = environment.newest(sys.executable, "llama-cpp-python")
    comparison.main(forms(version), given, f"llama.cpp of llama-cpp-python {version}, no_alloc")
