"""`kvcalc models`: the presets."""

import json

from kvcalc.catalogue.models import names
from tests.conftest import Cli


def test_every_preset_is_a_line(cli: Cli) -> None:
    outcome = cli("models")
    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.splitlines()[3 : 3 + len(names())]
    assert [line.split()[0] for line in lines] == names()
    kexaone = next(line for line in lines if "k-exaone" in line)
    assert kexaone.split()[-3:] == ["262,144", "237B-A23.6B", "196,608"]


def test_every_preset_is_an_object(cli: Cli) -> None:
    presets = json.loads(cli("models", "--json").out)
    assert [preset["model"] for preset in presets] == names()
    (kexaone,) = [preset for preset in presets if preset["model"] == "k-exaone-236b-a23b"]
    assert kexaone["max_context"] == 262_144
