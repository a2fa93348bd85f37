"""Lines of llama.cpp's start-up log, and of its fork ik_llama.cpp (src/llama-kv-cache*.cpp)."""

from kvcalc.readers.logs.pattern import COUNT, SIZE, pattern

TYPE = r"[a-z0-9_]{1,10}"

PATTERNS = (
    pattern(
        "creating",
        "SWA KV cache, size",
        rf"creating (?P<full>non-)?SWA KV cache, size = (?P<cells>{COUNT}) cells",
    ),
    pattern(
        "cache",
        " cells,",
        rf"size = (?P<size>{SIZE}) MiB \( (?P<cells>{COUNT}) cells,(?!.{{0,60}}rs_seq)"
        rf"(?: (?P<layers>{COUNT}) layers"
        rf"(?:, (?P<sequences>{COUNT})/ (?P<streams>{COUNT}) seqs)? \))?"
        rf"(?:, K \((?P<type_k>{TYPE})\): (?P<k>{SIZE}) MiB"
        rf"(?:, V \((?P<type_v>{TYPE})\): (?P<v>{SIZE}) MiB)?)?",
    ),
    pattern(
        "states",
        " cells,",
        rf"size = (?P<size>{SIZE}) MiB \( (?P<cells>{COUNT}) cells, (?P<layers>{COUNT}) layers, "
        rf"(?P<sequences>{COUNT}) seqs (?P<rollback>{COUNT}) rs_seq\), "
        rf"R \({TYPE}\): (?P<r>{SIZE}) MiB, S \({TYPE}\): (?P<s>{SIZE}) MiB",
    ),
    pattern("buffer", "KV buffer size", rf"KV buffer size = (?P<size>{SIZE}) MiB"),
    pattern(
        "self",
        " self size",
        rf"[kK][vV] self size = (?P<size>{SIZE}) (?:MiB|MB)"
        rf"(?:, K \((?P<type_k>{TYPE})\): (?P<k>{SIZE}) MiB"
        rf", V \((?P<type_v>{TYPE})\): (?P<v>{SIZE}) MiB"
        rf"|, c\^KV \((?P<type_c>{TYPE})\): (?P<c>{SIZE}) MiB)?",
    ),
    pattern("n_ctx", "n_ctx", rf"(?<![A-Za-z_])n_ctx = (?P<value>{COUNT})"),
    pattern("n_seq_max", "llama_context:", rf"n_seq_max = (?P<value>{COUNT})"),
    pattern("n_ubatch", "llama_context:", rf"n_ubatch = (?P<value>{COUNT})"),
    pattern("kv_unified", "llama_context:", r"kv_unified = (?P<value>true|false)"),
)
