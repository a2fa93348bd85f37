"""One context: the bytes and each group's share."""

import pytest

from kvcalc.answers.estimate import GroupShare, estimate
from kvcalc.errors import KvcalcError
from tests.shapes import full, latent, model, sliding

HYBRID = model(*[sliding(128)] * 3, full(), max_context=262_144)


def test_the_context_is_the_models_maximum_unless_given() -> None:
    assert estimate(HYBRID) == estimate(HYBRID, context=262_144)
    assert estimate(HYBRID).context == 262_144


def test_a_model_that_does_not_say_its_maximum_needs_a_context() -> None:
    with pytest.raises(KvcalcError, match=r"^context: missing, and Test-1B does not say its max"):
        estimate(model(full()))


def test_the_groups_shares_make_up_the_bytes() -> None:
    answer = estimate(HYBRID, context=8192, sequences=2)
    assert sorted(answer.groups, key=lambda group: group.kind) == [
        GroupShare("full_attention", 1, None, 2 * 8192 * 4096),
        GroupShare("sliding_attention", 3, 128, 2 * 3 * 128 * 4096),
    ]
    assert answer.bytes == sum(group.bytes for group in answer.groups)


@pytest.mark.parametrize(("window", "kept"), [(None, 128), (512, 512)], ids=["its own", "given"])
def test_the_window_is_the_models_own_unless_given(window: int | None, kept: int) -> None:
    answer = estimate(HYBRID, context=8192, window=window)
    assert answer.window == kept
    assert answer.bytes == (8192 + 3 * kept) * 4096


def test_a_model_without_a_window_has_none_in_its_answer() -> None:
    assert estimate(model(latent()), context=8192).window is None
    with pytest.raises(KvcalcError, match=r"^window: Test-1B has no sliding layers"):
        estimate(model(latent()), context=8192, window=128)


def test_a_model_of_several_windows_has_none_in_its_answer_and_each_in_its_groups() -> None:
    answer = estimate(model(sliding(128), sliding(4096)), context=8192)
    assert answer.window is None
    assert {group.window: group.bytes for group in answer.groups} == {
        128: 128 * 4096,
        4096: 4096 * 4096,
    }


def test_engine_settings_are_passed_on_and_told() -> None:
    answer = estimate(HYBRID, context=8192, kv_cache_dtype="fp8", tensor_parallel_size=8)
    assert answer.kv_cache_dtype == "fp8"
    assert answer.settings == {"tensor_parallel_size": 8}
    assert answer.bytes == 8 * answer.bytes_per_gpu == (8192 + 3 * 128) * 2048
