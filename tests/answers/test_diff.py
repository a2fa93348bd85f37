"""`kvcalc.diff`: both sides' figures, and the rules that part two releases."""

from fractions import Fraction
from itertools import pairwise

import pytest

import kvcalc
from kvcalc.answers.diff.side import under
from kvcalc.answers.fit.replica import Replica
from kvcalc.engines import find
from kvcalc.engines.release_changes import steps
from kvcalc.engines.releases import Change, Release, Releases, Standing
from kvcalc.engines.vllm.releases import RELEASES
from kvcalc.errors import KvcalcError, RequestError, UnsupportedError
from tests.each import each

GIB = 2**30
EXAONE = kvcalc.load("k-exaone-236b-a23b")
LLAMA = kvcalc.load("llama-3.1-8b")
GEMMA = kvcalc.load("tests/oracles/configs/google--gemma-4-31B.json")
CONFIGS = "tests/oracles/configs"
VERSIONS = [row.version for row in RELEASES.rows]


def test_vllm_49878_is_told_as_its_thread_tells_it() -> None:
    """Two batches of 32,768 tokens in flight instead of one: 45.79 GiB become 70.79."""
    found = kvcalc.diff(
        GEMMA, "vllm@0.25.1", "vllm@0.26.0", context=262_144, max_num_batched_tokens=32_768
    )
    page = 10 * 256 * 1024  # of ten layers, which each group has
    assert found.old.bytes == (8_192 + 5 * 2_113) * page
    assert found.new.bytes == (8_192 + 5 * 4_161) * page
    assert f"{found.old.bytes / GIB:.2f} {found.new.bytes / GIB:.2f}" == "45.79 70.79"
    assert (found.bytes, found.equal, found.together_bytes) == (25 * GIB, False, 0)
    [cause] = found.causes
    assert (cause.release, cause.rule, cause.bytes) == ("0.26.0", "batches_in_flight", 25 * GIB)
    assert cause.says == "every batch in flight is charged to a sliding or chunked layer"
    assert cause.source == "config/vllm.py, v1/kv_cache_interface.py"
    assert cause.back == "--no-async-scheduling"
    as_before = kvcalc.cost(
        GEMMA, "vllm@0.26.0", async_scheduling=False, max_num_batched_tokens=32_768
    )
    assert as_before(262_144) == found.old.bytes


def test_the_pool_of_49878() -> None:
    """49 GiB start 0.25.1 and print 280,494 tokens; 0.26.0 does not start."""
    found = kvcalc.diff(
        GEMMA,
        "vllm@0.25.1",
        "vllm@0.26.0",
        context=262_144,
        memory=49 * GIB,
        max_num_batched_tokens=32_768,
    )
    assert (found.old.starts, found.old.capacity_tokens, found.old.max_sequences) == (
        True,
        280_494,
        1,
    )
    assert (found.new.starts, found.new.max_sequences) == (False, 0)
    assert found.old.cache_memory_per_gpu == found.new.cache_memory_per_gpu == 49 * GIB


def test_a_changed_label_is_told_where_no_byte_differs() -> None:
    found = kvcalc.diff(LLAMA, "vllm@0.20.0", "vllm@0.20.1", context=32_768)
    assert (found.equal, found.bytes) == (True, 0)
    [label] = found.causes
    assert label.says == '"GPU KV cache size" is concurrency times max_model_len'
    assert label.was == '"GPU KV cache size" is blocks a group times the least block'
    assert (label.bytes, label.back) == (0, "")


NAMED = ("LGAI-EXAONE--K-EXAONE-236B-A23B", "nvidia--NVIDIA-Nemotron-3-Nano-30B-A3B-BF16")
CHANGED = [*pairwise(VERSIONS), ("0.14.0", "0.33.0"), ("0.33.0", "0.16.0")]


@each(("name", "old", "new"), [(name, *two) for name in NAMED for two in CHANGED])
def test_the_causes_and_the_rest_make_up_the_difference(name: str, old: str, new: str) -> None:
    one = kvcalc.load(f"{CONFIGS}/{name}.json")
    try:
        found = kvcalc.diff(one, f"vllm@{old}", f"vllm@{new}", context=131_072)
    except UnsupportedError:  # neither release has the model
        return
    if found.bytes is None:
        assert found.causes == ()
        return
    assert sum(cause.bytes for cause in found.causes) + found.together_bytes == found.bytes
    sizes = [abs(cause.bytes) for cause in found.causes]
    assert sizes == sorted(sizes, reverse=True)


def test_the_way_back_reverses_each_cause() -> None:
    there = kvcalc.diff(EXAONE, "vllm@0.14.0", "vllm@0.33.0", memory=50 * GIB)
    back = kvcalc.diff(EXAONE, "vllm@0.33.0", "vllm@0.14.0", memory=50 * GIB)
    reversed_causes = {
        cause.rule: (cause.says, cause.was, cause.bytes, cause.capacity_tokens)
        for cause in there.causes
    }
    assert reversed_causes == {
        cause.rule: (cause.was, cause.says, -cause.bytes, -(cause.capacity_tokens or 0))
        for cause in back.causes
    }


def test_each_flag_gives_the_old_behaviour_back() -> None:
    """The share of the memory and the batch follow the card; both may be given by a flag."""
    found = kvcalc.diff(EXAONE, "vllm@0.19.0", "vllm@0.33.0", context=131_072, gpu="b200", gpus=4)
    assert {cause.rule: cause.back for cause in found.causes} == {
        "memory_share": "--gpu-memory-utilization 0.9",
        "batches": "--max-num-batched-tokens 8192",
        "batches_in_flight": "--no-async-scheduling",
        "label": "",
    } | dict.fromkeys(("cublas_is_charged", "graphs", "sampling", "v2_runner"), "")


TABLE = Releases(
    "engine",
    newest="3",
    rows=(
        Release("1", rules={"a": Change(1, "a is 1", "f.py"), "b": Change(1, "b is 1", "f.py")}),
        Release("2", rules={"b": Change(2, "b is 2", "f.py")}),
        Release("3", rules={"a": Change(3, "a is 3", "f.py")}),
    ),
)


@pytest.mark.parametrize(
    ("old", "new", "way"),
    [
        ("1", "3", [("2", "b", 1, 2, {"a": 1, "b": 2}), ("3", "a", 1, 3, {"a": 3, "b": 2})]),
        ("3", "1", [("3", "a", 3, 1, {"a": 1, "b": 2}), ("2", "b", 2, 1, {"a": 1, "b": 1})]),
        ("2", "3", [("3", "a", 1, 3, {"a": 3, "b": 2})]),
        ("2.5", "2", []),
    ],
)
def test_one_rule_is_changed_at_a_time(old: str, new: str, way: list[tuple[object, ...]]) -> None:
    assert way == [
        (
            step.release,
            step.name,
            step.before.value,
            step.after.value,
            {name: change.value for name, change in step.standing.rules.items()},
        )
        for step in steps(TABLE, TABLE.at(old), TABLE.at(new))
    ]


def test_a_side_that_refuses_says_why() -> None:
    mimo = kvcalc.load(f"{CONFIGS}/XiaomiMiMo--MiMo-V2-Flash.json")
    found = kvcalc.diff(mimo, "vllm@0.19.0", "vllm@0.20.1", context=32_768)
    assert (found.old.bytes, found.bytes, found.equal) == (None, None, False)
    assert found.old.error is not None
    assert "which this release of vllm takes only divided" in found.old.error
    assert (found.old.engine_version, found.new.bytes) == ("0.19.0", 2_675_589_120)


def test_what_both_sides_refuse_is_an_error() -> None:
    with pytest.raises(UnsupportedError, match="does not have the model type 'exaone_moe'"):
        kvcalc.diff(EXAONE, "vllm@0.12.0", "vllm@0.13.0")


def test_two_engines_are_each_given_what_they_have() -> None:
    found = kvcalc.diff(EXAONE, "vllm", "sglang", context=131_072, page_size=64)
    assert (found.old.bytes, found.new.bytes) == (8_879_603_712, 25_769_803_776)
    assert (found.old.settings, found.new.settings) == ({}, {"page_size": 64})
    assert found.causes == ()


def test_two_models_on_one_engine() -> None:
    found = kvcalc.diff(EXAONE, "vllm", new_model=LLAMA, context=8_192)
    assert (found.old.model, found.new.model) == ("K-EXAONE-236B-A23B", "Llama-3.1-8B")
    assert found.new.bytes == kvcalc.cost(LLAMA, "vllm")(8_192)


def test_the_fewest_gpus_are_those_of_the_old_side() -> None:
    found = kvcalc.diff(EXAONE, "vllm@0.25.1", "vllm", gpu="h200")
    fewest = kvcalc.fit(EXAONE, gpu="h200", engine="vllm@0.25.1").gpus
    assert (found.gpu, found.gpus) == ("h200", fewest)
    planned = kvcalc.fit(EXAONE, gpu="h200", gpus=fewest, engine="vllm@0.25.1")
    assert found.old.max_sequences == planned.max_sequences


@each(
    ("given", "sentence"),
    [
        ({}, "give two engines or releases, or two models"),
        ({"new_engine": "vllm", "new_model": LLAMA}, "give two engines or releases"),
        ({"new_engine": "vllm", "gpu": "h200", "memory": GIB}, "memory: found beside a gpu"),
        ({"new_engine": "vllm", "gpus": 2}, "gpus: found without a gpu"),
        ({"new_engine": "vllm", "gpu": "h200", "gpus": 0}, "gpus: found 0, expected at least 1"),
        ({"new_engine": "vllm", "memory": 0}, "memory: found 0, expected bytes"),
        ({"new_engine": "vllm", "colour": "red"}, "no engine that is compared has the setting"),
        ({"new_engine": "vllm", "gpu_memory_utilization": 0.9}, "has the setting 'gpu_memory_ut"),
        ({"new_engine": "vlm"}, "engine 'vlm' is unknown"),
    ],
)
def test_a_wrong_request(given: dict[str, object], sentence: str) -> None:
    with pytest.raises(RequestError, match=sentence):
        kvcalc.diff(EXAONE, "vllm", **given)  # type: ignore[arg-type]


def test_a_share_of_the_memory_is_given_where_there_is_a_card() -> None:
    found = kvcalc.diff(
        EXAONE,
        "vllm@0.19.0",
        "vllm@0.20.0",
        gpu="h200",
        gpus=4,
        gpu_memory_utilization=0.9,
        reserve=0,
    )
    assert (found.equal, found.causes) == (True, ())


def test_rules_under_which_the_engine_refuses_are_told_together(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refusing(replica: Replica, standing: Standing) -> Replica:
        if standing.rules["memory_share"].value == Fraction("0.92"):
            raise UnsupportedError("no release has these rules together")
        return under(replica, standing)

    monkeypatch.setattr("kvcalc.answers.diff.causes.under", refusing)
    found = kvcalc.diff(EXAONE, "vllm@0.19.0", "vllm", context=131_072)
    assert found.causes == ()
    assert found.together_bytes == found.bytes == 1_207_959_552


def test_every_engine_is_held_against_itself() -> None:
    for name in ("ideal", "transformers", "vllm", "sglang", "llama.cpp", "mlx", "lmdeploy"):
        found = kvcalc.diff(LLAMA, name, find(name).name, context=8_192, memory=20 * GIB)
        assert (found.equal, found.bytes, found.causes) == (True, 0, ())
        assert found.old == found.new


def test_a_setting_that_a_release_does_not_have() -> None:
    found = kvcalc.diff(LLAMA, "vllm@0.19.0", "vllm@0.20.0", kv_cache_dtype="nvfp4")
    assert found.old.error == "kv_cache_dtype: found 'nvfp4', which vllm 0.19.0 does not have"
    assert found.old.kv_cache_dtype == "nvfp4"


def test_more_sequences_than_an_engine_runs_is_an_error() -> None:
    with pytest.raises(KvcalcError):
        kvcalc.diff(LLAMA, "llama.cpp", "llama.cpp", sequences=10**6)
