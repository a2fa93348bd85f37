"""Every form of an answer carries the same integers."""

import csv
import io
import json
import re
from dataclasses import asdict
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

import kvcalc
from kvcalc.outputs.pages.sweep import sweep_page
from kvcalc.outputs.table import to_csv, to_json, to_markdown
from kvcalc.outputs.terminal import draw
from tests.shapes import Model, contexts, models, windowed_models


def forms_agree(rows: list[Any]) -> None:
    flat = [
        {name: value for name, value in asdict(row).items() if name != "groups"} for row in rows
    ]
    bytes_of_rows = [(row.bytes, row.full_attention_bytes) for row in rows]
    assert bytes_of_rows == [
        (row["bytes"], row["full_attention_bytes"]) for row in json.loads(to_json(flat))
    ]
    assert bytes_of_rows == [
        (int(row["bytes"]), int(row["full_attention_bytes"]))
        for row in csv.DictReader(io.StringIO(to_csv(flat), newline=""))
    ]
    written = sorted(
        {f"{row.context:,}" for row in rows} | {f"{n:,}" for pair in bytes_of_rows for n in pair}
    )
    page = sweep_page(rows)
    for text in (to_markdown(page), draw(page, 80), draw(page, 200), draw(page, None)):
        numbers = set(re.findall(r"(?<![0-9.,])[0-9]{1,3}(?:,[0-9]{3})*(?![0-9.,])", text))
        assert numbers >= set(written)


@given(models(), st.lists(contexts, min_size=1, max_size=3), st.integers(1, 10**6))
def test_every_form_of_a_sweep_carries_the_same_integers(
    drawn: Model, asked: list[int], sequences: int
) -> None:
    forms_agree(kvcalc.sweep(drawn, context=asked, sequences=sequences))


@given(windowed_models(), contexts, st.lists(st.integers(1, 10**6), min_size=1, max_size=3))
def test_every_form_of_a_sweep_over_windows_carries_the_same_integers(
    drawn: Model, context: int, windows: list[int]
) -> None:
    forms_agree(kvcalc.sweep(drawn, context=context, window=windows))
