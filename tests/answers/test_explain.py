"""The derivation of an answer."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from syrupy.assertion import SnapshotAssertion

import kvcalc
from tests.shapes import Model, contexts, full, latent, model, models


def test_k_exaone_is_explained_step_by_step(snapshot: SnapshotAssertion) -> None:
    cost = kvcalc.cost(kvcalc.load("k-exaone-236b-a23b"))
    assert str(cost.explain(context=262_144)) == snapshot


def test_ranks_and_latent_rows_are_told(snapshot: SnapshotAssertion) -> None:
    cost = kvcalc.cost(model(latent(), full()), kv_cache_dtype="fp8", tensor_parallel_size=8)
    assert str(cost.explain(context=8192, sequences=2)) == snapshot


@given(models(), contexts, st.integers(1, 100))
def test_the_last_steps_of_the_groups_add_up_to_the_answer(
    drawn: Model, context: int, sequences: int
) -> None:
    cost = kvcalc.cost(drawn)
    explained = cost.explain(context=context, sequences=sequences)
    assert explained.bytes == cost(context, sequences=sequences)
    assert explained.bytes == sum(group.steps[-1].value for group in explained.groups)
    assert sum(group.layers for group in explained.groups) == len(drawn.layers)


def test_what_cannot_be_asked_cannot_be_explained() -> None:
    with pytest.raises(kvcalc.KvcalcError, match=r"^context: found 0, expected a positive int$"):
        kvcalc.cost(model(full())).explain(context=0)
