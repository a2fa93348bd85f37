"""The published formats of request traces, by their columns."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from kvcalc.errors import SourceError, quote
from kvcalc.spelling import spelled, unknown

UNITS_US = {"s": 1_000_000, "ms": 1_000, "us": 1}
"""Microseconds per unit of time."""

QUESTIONS = ("start", "input", "output", "duration", "end", "blocks")
"""What a column may hold: when a request started, its tokens, how long it took or when it ended,
and the ids of its prompt's blocks."""


class Format(NamedTuple):
    """A format: its columns by question, and the unit of its times.

    `unit` is None if times are dates, as "2023-11-16 18:17:03.97". `block_tokens` is how many
    tokens of the prompt each block id stands for.
    """

    columns: Mapping[str, str]
    unit: str | None
    duration_unit: str = "s"
    block_tokens: int = 0
    also: tuple[str, ...] = ()


FORMATS = {
    # github.com/Azure/AzurePublicDataset, AzureLLMInferenceDataset2023.md
    "Azure": Format(
        {"start": "TIMESTAMP", "input": "ContextTokens", "output": "GeneratedTokens"}, None
    ),
    # docs.nvidia.com/aiperf/tutorials/datasets-inputs/profile-with-bailian-traces
    "Bailian": Format(
        {
            "start": "timestamp",
            "input": "input_length",
            "output": "output_length",
            "blocks": "hash_ids",
        },
        "s",
        block_tokens=16,
        also=("chat_id",),
    ),
    # github.com/kvcache-ai/Mooncake, FAST25-release
    "Mooncake": Format(
        {
            "start": "timestamp",
            "input": "input_length",
            "output": "output_length",
            "blocks": "hash_ids",
        },
        "ms",
        block_tokens=512,
    ),
    # github.com/HPMLL/BurstGPT, README.md
    "BurstGPT": Format(
        {
            "start": "Timestamp",
            "input": "Request tokens",
            "output": "Response tokens",
            "duration": "Elapsed time",
        },
        "s",
    ),
    "GitHub Copilot agents": Format(
        {
            "start": "timestamp",
            "input": "prompt",
            "output": "completion",
            "duration": "duration_ms",
        },
        None,
        duration_unit="ms",
    ),
}
"""The formats; of two with similar columns, the one that needs more comes first."""

OPTIONAL = ("duration", "blocks")


def recognised(
    header: Sequence[str], named: Mapping[str, str], unit: str | None, file: Path
) -> Format:
    """Find the format of a file by its columns, or use the columns that are named.

    Raises:
        RequestError: a question is not known.
        SourceError: a column that was named is missing, or no format has these columns.
    """
    for question, column in named.items():
        if question not in QUESTIONS:
            raise unknown("--column: the question", question, QUESTIONS, field="--column")
        if spelled(column, header) is None:
            raise SourceError.of(file, f"column {quote(column)}: missing; found {_listed(header)}")
    for known in FORMATS.values():
        columns = {**known.columns, **named}
        there = {
            question: own
            for question, column in columns.items()
            if (own := spelled(column, header)) is not None
        }
        if set(columns) - set(there) - set(OPTIONAL) or set(known.also) - set(header):
            continue
        return known._replace(
            columns=there,
            unit=unit or known.unit,
            duration_unit=unit or known.duration_unit,
        )
    if {"start", "input", "output"} <= set(named):
        return Format(
            {question: spelled(column, header) or column for question, column in named.items()},
            unit,
            unit or "s",
        )
    wanted = "; ".join(
        f"{name}: {', '.join(column for question, column in known.columns.items())}"
        for name, known in FORMATS.items()
    )
    raise SourceError.of(
        file,
        f"found the columns {_listed(header)}, expected those of a known trace ({wanted}"
        "), or --column start=..., input=... and output=...",
    )


def _listed(header: Sequence[str]) -> str:
    return ", ".join(quote(column) for column in header[:20]) + (" ..." if header[20:] else "")
