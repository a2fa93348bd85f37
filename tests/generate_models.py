"""Generate presets/models.json, what `kvcalc models` lists, and presets/tables.jsonl, what the
files of models and GPUs say, so that their parser need not start.

Run after one was added or changed: `python tests/generate_models.py`.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from zlib import crc32

from kvcalc.answers.models import ModelRow
from kvcalc.answers.show import ShownLayers, shown_layers
from kvcalc.catalogue.folder import read_table
from kvcalc.catalogue.models import names
from kvcalc.readers import load

PRESETS = Path(__file__).parents[1] / "presets"


def by_kind(layers: tuple[ShownLayers, ...]) -> str:
    counts: Counter[str] = Counter()
    for group in layers:
        counts[group.kind.removesuffix("_attention")] += group.layers
    return " + ".join(f"{count} {kind}" for kind, count in counts.items())


def rows() -> Iterator[ModelRow]:
    for name in names():
        model = load(name)
        layers = shown_layers(model)
        yield ModelRow(
            model=name,
            layers=by_kind(layers),
            max_context=model.max_context,
            parameters=model.parameters,
            active_parameters=model.active_parameters,
            bytes_per_token=sum(group.layers * group.bytes_per_token for group in layers),
            fixed_bytes=sum(group.layers * group.fixed_bytes for group in layers),
        )


def tables() -> Iterator[str]:
    for path in sorted(PRESETS.glob("*/*.toml")):
        yield json.dumps([path.stem, crc32(path.read_bytes()), read_table(path)]) + "\n"


def generated() -> dict[Path, str]:
    """What each file holds."""
    return {
        PRESETS / "models.json": json.dumps([asdict(row) for row in rows()], indent=0) + "\n",
        PRESETS / "tables.jsonl": "".join(tables()),
    }


if __name__ == "__main__":
    for path, text in generated().items():
        path.write_text(text)
