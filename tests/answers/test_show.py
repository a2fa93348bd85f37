"""What was read of a model, and the preset file that it makes."""

from pathlib import Path

import pytest

import kvcalc
from kvcalc.answers.show import show
from kvcalc.catalogue.models import names
from kvcalc.outputs.preset import to_preset
from kvcalc.readers import read

CONFIGS = sorted((Path(__file__).parents[1] / "oracles" / "configs").glob("*.json"))
K_EXAONE = next(path for path in CONFIGS if "K-EXAONE" in path.name)


def test_each_fact_says_where_it_stood() -> None:
    shown = show(read(K_EXAONE))
    assert shown.origins["num_key_value_heads"] == "key num_key_value_heads"
    assert shown.origins["dtype"] == "key dtype"
    assert [(group.kind, group.layers, group.bytes_per_token) for group in shown.layers] == [
        ("sliding_attention", 36, 4096),
        ("full_attention", 12, 4096),
    ]


def test_a_folder_of_any_name_makes_a_preset_that_loads(tmp_path: Path) -> None:
    folder = tmp_path / 'a\u202e\x7f\x01"b\\'
    folder.mkdir()
    (folder / "config.json").write_text(K_EXAONE.read_text())
    reading = read(folder)
    path = tmp_path / "written.toml"
    path.write_text(to_preset(reading), encoding="utf-8")
    assert kvcalc.load(path).layers == reading.model.layers


def test_a_default_of_the_class_is_told_from_a_key(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text('{"model_type": "gemma3_text", "num_hidden_layers": 6}')
    assert show(read(path)).origins["head_dim"] == "default of the class (head_dim)"


def test_a_state_is_fixed_and_takes_no_bytes_a_token() -> None:
    shown = show(read(next(path for path in CONFIGS if "Kimi-K3" in path.name)))
    delta, latent = shown.layers
    assert (delta.bytes_per_token, delta.fixed_bytes) == (0, 3_366_912)
    assert (latent.bytes_per_token, latent.fixed_bytes) == (1152, 0)


@pytest.mark.parametrize("source", [*CONFIGS, *names()], ids=lambda s: getattr(s, "stem", s))
def test_a_model_written_as_a_preset_loads_back_equal(source: Path | str, tmp_path: Path) -> None:
    reading = read(source)
    path = tmp_path / "written.toml"
    path.write_text(to_preset(reading), encoding="utf-8")
    assert kvcalc.load(path) == reading.model
