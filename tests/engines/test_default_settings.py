"""An engine's defaults, which are taken unchecked where nothing is set."""

import pytest

from kvcalc import engines


@pytest.mark.parametrize("name", engines.ENGINES)
def test_the_defaults_of_an_engine_are_what_the_checks_make_of_them(name: str) -> None:
    settings = engines.find(name).settings
    defaults = settings.model_construct()
    assert defaults == settings()
    assert defaults.model_fields_set == set()
    assert defaults.changed() == {}
