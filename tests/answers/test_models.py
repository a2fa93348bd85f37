"""The presets, a record each."""

from collections import Counter

import kvcalc
from kvcalc.answers.models import ModelRow, models
from kvcalc.catalogue.models import names
from tests import generate_models
from tests.each import each


def test_the_table_is_made_of_the_presets_files() -> None:
    """`python tests/generate_models.py` makes it again."""
    for path, text in generate_models.generated().items():
        assert path.read_text() == text, path


def test_every_preset_is_a_record_by_name() -> None:
    assert [row.model for row in models()] == names()


@each("row", models())
def test_a_record_is_of_the_model_of_its_name(row: ModelRow) -> None:
    model = kvcalc.load(row.model)
    by_kind = Counter(layer.kind.removesuffix("_attention") for layer in model.layers)
    assert row.layers == " + ".join(f"{n} {kind}" for kind, n in by_kind.items())
    assert row.max_context == model.max_context
    assert (row.parameters, row.active_parameters) == (model.parameters, model.active_parameters)
    assert row.bytes_per_token + row.fixed_bytes == kvcalc.cost(model)(1)


def test_a_record_says_layers_by_kind_and_sizes() -> None:
    (kexaone,) = [row for row in models() if row.model == "k-exaone-236b-a23b"]
    assert kexaone.layers == "36 sliding + 12 full"
    assert kexaone.max_context == 262_144
    assert (kexaone.parameters, kexaone.active_parameters) == (236_533_401_600, 23_630_530_560)
    assert (kexaone.bytes_per_token, kexaone.fixed_bytes) == (48 * 4_096, 0)
