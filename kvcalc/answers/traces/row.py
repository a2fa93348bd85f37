"""An answer about a trace: what an engine's cache holds over time, by one rule."""

from dataclasses import dataclass


@dataclass(frozen=True)
class TraceRow:
    """An engine's cache over a trace by one rule: bytes over all ranks, times in microseconds.

    Percentiles and the mean are over time, from the first start to the last end, idle time
    included; `peak_at` counts from the first start. `engine_version` is the release that the row
    holds for. Rows with `prefix` count shared blocks once.
    """

    model: str
    engine: str
    engine_version: str
    window: int | None
    rule: str
    peak_bytes: int
    peak_at: int
    peak_sequences: int
    p50_bytes: int
    p95_bytes: int
    p99_bytes: int
    mean_bytes: int
    requests: int
    requests_without_life: int
    prefill_rate: int | float | None
    decode_rate: int | float | None


@dataclass(frozen=True)
class TraceRowOnGpus(TraceRow):
    """A row, and how many GPUs of one kind hold its peak beside the weights of the model.

    The GPUs hold copies of the model on `tensor_parallel_size` ranks each, by the rules of `fit`;
    both fields are None if neither the GPUs that are given nor the most that are tried hold the
    peak.
    """

    gpu: str
    gpus: int | None
    tensor_parallel_size: int | None
