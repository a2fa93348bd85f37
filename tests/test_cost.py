"""A cost: called for bytes, with the model's own values for what is not given."""

from typing import Any

import pytest

import kvcalc
from kvcalc.engines import ENGINES, find
from tests.shapes import full, model, sliding

KEXAONE = kvcalc.load("k-exaone-236b-a23b")


@pytest.fixture(scope="module")
def cost() -> kvcalc.Cost:
    return kvcalc.cost(KEXAONE)


def test_the_formula_reads_as_a_person_would_write_it(cost: kvcalc.Cost) -> None:
    assert str(cost.formula) == "(12*context + 36*min(context, window)) * 4096 * sequences"


def test_the_window_is_the_models_own_unless_asked_otherwise(cost: kvcalc.Cost) -> None:
    assert cost(context=262_144) == cost(context=262_144, window=128) == 12_903_776_256
    assert cost(context=262_144, window=4096) == 13_488_881_664


def test_a_window_varied_equals_a_model_built_with_it(cost: kvcalc.Cost) -> None:
    built = kvcalc.cost(KEXAONE.with_window(4096))
    assert cost(context=32_768, window=4096) == built(context=32_768)


@pytest.mark.parametrize(
    "engine", [name for name in ENGINES if "sliding_attention" in find(name).kinds]
)
@pytest.mark.parametrize("window", [1, 2, 127, 4_096, 2**40])
def test_a_window_is_taken_by_a_call_as_by_a_model_built_with_it(engine: str, window: int) -> None:
    """transformers alone refuses one: a window of 1, of which its slice would keep all.

    TensorRT-LLM is left out: it has no number for windows.
    """
    hybrid = model(full(), sliding())
    cost = kvcalc.cost(hybrid, engine)
    if (engine, window) == ("transformers", 1):
        with pytest.raises(kvcalc.RequestError, match="window: found 1, expected at least 2"):
            cost(8_192, window=window)
        with pytest.raises(kvcalc.UnsupportedError, match="window: found 1, expected at least 2"):
            kvcalc.cost(hybrid.with_window(window), engine)
    else:
        built = kvcalc.cost(hybrid.with_window(window), engine)
        assert cost(8_192, window=window) == built(8_192)


def test_sequences_multiply(cost: kvcalc.Cost) -> None:
    assert cost(context=262_144, sequences=16) == 16 * cost(context=262_144)


def test_the_context_may_be_given_by_place(cost: kvcalc.Cost) -> None:
    assert cost(262_144) == cost(context=262_144)


def test_the_cost_is_exact_for_a_context_of_any_size(cost: kvcalc.Cost) -> None:
    assert cost(context=10**30) == (12 * 10**30 + 36 * 128) * 4096


def test_on_one_gpu_the_fullest_rank_holds_all(cost: kvcalc.Cost) -> None:
    assert cost.per_gpu(context=262_144) == cost(context=262_144)


def test_the_cost_is_fixed_plus_sequences_times_a_request(cost: kvcalc.Cost) -> None:
    request = cost.per_request(context=262_144)
    assert cost.fixed + 16 * request == cost(context=262_144, sequences=16)


def test_the_groups_make_up_the_whole(cost: kvcalc.Cost) -> None:
    shares = {group.kind: group.formula(262_144, sequences=2, window=4096) for group in cost.groups}
    assert shares == {
        "full_attention": 2 * 12 * 262_144 * 4096,
        "sliding_attention": 2 * 36 * 4096 * 4096,
    }
    assert sum(shares.values()) == cost(262_144, sequences=2, window=4096)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"context": 0}, r"context: found 0, expected a positive int"),
        ({"context": 8192.0}, r"context: found 8192\.0, expected a positive int"),
        ({"context": 8192, "window": 0}, r"window: found 0, expected a positive int"),
        ({"context": 8192, "batch": 4}, r"'batch' is not in this formula; it has context, seq"),
    ],
)
def test_a_quantity_that_cannot_be_is_refused(
    cost: kvcalc.Cost, given: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(kvcalc.KvcalcError, match=f"^{sentence}"):
        cost(**given)


def test_a_window_for_a_model_without_sliding_layers_is_refused_by_name() -> None:
    with pytest.raises(kvcalc.KvcalcError, match=r"^window: Test-1B has no sliding layers"):
        kvcalc.cost(model(full()))(8192, window=128)


def test_a_window_for_a_model_of_several_windows_is_refused_with_the_way_out() -> None:
    several = model(sliding(128), sliding(4096), full())
    with pytest.raises(
        kvcalc.KvcalcError, match=r"^window: Test-1B has several \(128, 4,096\); .*with_window"
    ):
        kvcalc.cost(several)(8192, window=128)
    assert kvcalc.cost(several)(8192) == (128 + 4096 + 8192) * 4096
    assert kvcalc.cost(several.with_window(128))(8192) == (128 + 128 + 8192) * 4096
