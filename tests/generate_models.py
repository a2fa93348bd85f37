"""Generate presets/models.json, what `kvcalc models` lists, from the presets' files.

Run after a preset was added or changed: `python tests/generate_models.py`.
"""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from kvcalc.answers.models import ModelRow
from kvcalc.answers.show import ShownLayers, shown_layers
from kvcalc.catalogue.models import names
from kvcalc.readers import load

OUTPUT = Path(__file__).parents[1] / "presets/models.json"


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


def generated() -> str:
    return json.dumps([asdict(row) for row in rows()], indent=0) + "\n"


if __name__ == "__main__":
    OUTPUT.write_text(generated())
