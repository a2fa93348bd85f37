"""The presets, a record each."""

from kvcalc.answers.models import models
from kvcalc.catalogue.models import names


def test_every_preset_is_a_record_by_name() -> None:
    assert [row.model for row in models()] == names()


def test_a_record_says_layers_by_kind_and_sizes() -> None:
    (kexaone,) = [row for row in models() if row.model == "k-exaone-236b-a23b"]
    assert kexaone.layers == "36 sliding + 12 full"
    assert kexaone.max_context == 262_144
    assert (kexaone.parameters, kexaone.active_parameters) == (236 * 10**9, 23 * 10**9)
