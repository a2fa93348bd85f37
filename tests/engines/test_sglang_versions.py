"""SGLang 0.5.10 to 0.5.23: what a request holds of the window pool, and what is refused by name."""

import json
from collections.abc import Iterator, Mapping
from itertools import groupby, product
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import kvcalc
from kvcalc.engines.sglang.releases import RELEASES
from kvcalc.engines.sglang.window_pool import WindowPool
from kvcalc.errors import KvcalcError, UnsupportedError
from kvcalc.layers.latent import CompressedAttention, LatentAttention
from kvcalc.layers.layer import Layer
from kvcalc.model import Model
from tests.each import each
from tests.engines.test_sglang import ORACLE, ORACLES, load, settings_of
from tests.shapes import DEEPSEEK_ROW, full, latent, sliding

EXAONE = kvcalc.load("k-exaone-236b-a23b")
GPT_OSS = kvcalc.load("gpt-oss-120b")
VERSIONS = [row.version for row in RELEASES.rows]
MEASURED = json.loads((ORACLES / "sglang_versions.json").read_text())
BY_RELEASE = {
    release: list(rows) for release, rows in groupby(MEASURED["rows"], key=lambda row: row[0])
}


def held(version: str, window: int, pool: WindowPool, start: int, new: int) -> Iterator[int]:
    """Pages that a request holds while it generates, as each release's own lines give them back.

    `start` is tokens before the first step; `_evict_swa` and `maybe_evict_swa` of the wheels.
    """
    page, interval = pool.page, pool.interval
    key = tuple(map(int, version.split(".")))
    every = max(page, window) // page * page if key >= (0, 5, 12) else window
    by_steps, by_intervals = key < (0, 5, 14), key < (0, 5, 18)
    kept = window
    if (0, 5, 12) <= key < (0, 5, 14) or (pool.radix_cache and key == (0, 5, 14)):
        kept = window + page
    elif pool.radix_cache and key >= (0, 5, 15):
        kept = max(window, page)
    evicted = max(0, start - window) // page * page
    for step in range(1, new):
        seen = start + step
        if by_steps:
            due = step % every == 1 % every
        elif by_intervals:
            due = step % interval == 0
        else:
            due = seen - window >= evicted + interval
        if due:
            evicted = max(evicted, (seen - kept) // page * page)
        yield -(-(seen + 1) // page) - evicted // page


@given(
    version=st.sampled_from([one for one in VERSIONS if one != "0.5.23"]),
    window=st.integers(1, 300),
    page=st.sampled_from([1, 16, 64]),
    interval=st.sampled_from([64, 128, 256]),
    start=st.integers(0, 700),
)
def test_no_step_of_a_release_holds_more(
    version: str, window: int, page: int, interval: int, start: int
) -> None:
    if version in ("0.5.12", "0.5.13") or page > window:
        window = max(window, page)
    beside = RELEASES.at(version).rules["beside_the_window"].value
    pool = WindowPool(page, 4096, interval, False, True, page, 1, beside)
    most = max(held(version, window, pool, start, 4 * (window + interval)))
    bound = pool.decoding(window)
    assert isinstance(bound, int)
    assert most <= bound


@each(
    ("version", "page", "radix_cache"),
    product([one for one in VERSIONS if one != "0.5.23"], [1, 16], [True, False]),
)
def test_some_step_of_a_release_holds_as_much(version: str, page: int, radix_cache: bool) -> None:
    beside = RELEASES.at(version).rules["beside_the_window"].value
    pool = WindowPool(page, 4096, 128, False, radix_cache, page, 1, beside)
    most = max(max(held(version, 128, pool, start, 2_000)) for start in range(1_000, 1_000 + page))
    assert most == pool.decoding(128)


def cut(release: str, case: dict[str, Any]) -> Mapping[str, Any]:
    """The pools that kvcalc finds, or that it refuses; the options as SGLang resolved them."""
    settings = {**settings_of(case), "page_size": case["resolved"]["page_size"], "gpu": None}
    if "swa_eviction_interval" in RELEASES.at(release).neutral:
        settings.pop("swa_eviction_interval", None)  # a variable that the release does not read
    try:
        return kvcalc.pool(
            load(case["model"]),
            f"sglang@{release}",
            memory=case["budget_bytes"],
            context=case["resolved"]["context_len"],
            **settings,
        ).figures
    except KvcalcError as error:
        return {"refused": str(error)}


REFUSED = {
    "SWA pool cap": "memory: found",
    "SWA pool (": "memory: the window pool gets",
    "Not enough memory": "memory: found",
}
"""Our sentences, by the beginning of SGLang's own."""


@each("release", BY_RELEASE)
def test_a_release_cuts_a_memory_as_its_own_code_did(release: str) -> None:
    wrong = []
    for _, place, *figures in BY_RELEASE[release]:
        measured = dict(zip(MEASURED["columns"][2:], figures, strict=True))
        found = cut(release, ORACLE["cases"][place])
        refused = measured.pop("refused")
        if refused or not measured["max_running_requests"]:
            ours = (
                REFUSED[next(one for one in REFUSED if refused.startswith(one))]
                if refused
                else "max_running_requests: found"
            )
            fine = found.get("refused", "").startswith(ours)
        else:
            fine = {name: found.get(name) for name in measured} == measured
        if not fine:
            wrong.append((place, measured, found))
    assert not wrong[:1]


def test_each_release_was_measured() -> None:
    places = {release: [row[1] for row in rows] for release, rows in BY_RELEASE.items()}
    assert list(places) == [f"0.5.{n}" for n in range(10, 23)]
    assert all(one == places["0.5.10"] for one in places.values())


@each(
    ("version", "tokens"),
    [("0.5.10", 254), ("0.5.12", 255), ("0.5.14", 256), ("0.5.15", 255), ("0.5.23", 255)],
)
def test_what_one_more_request_of_gpt_oss_holds_while_it_generates(
    version: str, tokens: int
) -> None:
    """A window of 127 tokens and what is beside it, in 18 layers; all of it in 18 more."""
    cost = kvcalc.cost(GPT_OSS, f"sglang@{version}")
    row = 2 * 8 * 64 * 2
    more = cost(131_072, sequences=3) - cost(131_072, sequences=2)
    assert more == 18 * (131_072 + tokens) * row


@each("version", VERSIONS)
def test_k_exaone_never_has_a_window_pool(version: str) -> None:
    assert kvcalc.cost(EXAONE, f"sglang@{version}")(131_072) == 25_769_803_776


@each(
    ("kind", "version"),
    [
        ("gemma4", "0.5.11"),
        ("mimo_v2", "0.5.11"),
        ("laguna", "0.5.12"),
        ("step3p7", "0.5.13"),
        ("gemma4_unified", "0.5.13"),
        ("mellum", "0.5.16"),
        ("muse_glimmer", "0.5.18"),
        ("granite_swa", "0.5.19"),
        ("iquest_q1", "0.5.21"),
        ("beam", "0.5.23"),
    ],
)
def test_a_window_pool_comes_with_the_models_class(kind: str, version: str) -> None:
    of = Model(name="a model", layers=(sliding(128), full()), model_type=kind)
    stored_in_full = kvcalc.cost(Model(name="full", layers=(full(), full())), "sglang")(100_000)
    assert kvcalc.cost(of, f"sglang@{version}")(100_000) < stored_in_full
    before = VERSIONS[VERSIONS.index(version) - 1]
    with pytest.raises(UnsupportedError, match=f"does not have the model type '{kind}'"):
        kvcalc.cost(of, f"sglang@{before}")


def test_a_config_opts_in_from_0_5_13() -> None:
    of = Model(name="a model", layers=(sliding(128), full()), model_type="llama")
    before, after = (kvcalc.cost(of, f"sglang@{one}")(100_000) for one in ("0.5.12", "0.5.13"))
    assert before == 2 * 100_000 * 4096 > after


COMPRESSED = CompressedAttention(head_dim=512, window=128, ratio=4)
SPARSE = LatentAttention(**DEEPSEEK_ROW, sparse=True, index_head_dim=128)
SHARING = LatentAttention(**DEEPSEEK_ROW, sparse=True)


@each(
    ("layer", "given", "what"),
    [
        (COMPRESSED, {}, "how compressed_attention layers are stored"),
        (SHARING, {}, "which layers have an indexer's keys"),
        (full(), {"kv_cache_dtype": "fp4_mx_block16"}, "how fp4_mx_block16 is stored"),
        (full(), {"speculative_num_draft_tokens": 4}, "what drafts add"),
        (full(), {"draft_layers": 1}, "what drafts add"),
        (full(), {"gpu": "b200"}, "the page on b200; give page_size 64"),
        (full(), {"gpu": "mi325x"}, "the page on mi325x; give page_size"),
        (SPARSE, {"gpu": "b200"}, "what it takes on b200"),
        (full(), {"attention_backend": "fa4"}, "the page of attention_backend fa4"),
        (full(), {"attention_backend": "trtllm_mha"}, "the page of attention_backend trtllm_mha"),
    ],
)
def test_what_was_not_read_of_older_releases_is_refused(
    layer: Layer, given: dict[str, object], what: str
) -> None:
    of = Model(name="a model", layers=(layer,), dtype="bfloat16")
    with pytest.raises(UnsupportedError, match=rf"^release: found 0\.5\.22, .*: {what}$"):
        kvcalc.cost(of, "sglang@0.5.22", **given)  # type: ignore[arg-type]
    kvcalc.cost(Model(name="plain", layers=(latent(),)), "sglang@0.5.10", gpu="h200")


@each("setting", ["swa_eviction_interval", "disaggregation_decode_extra_slots"])
def test_older_releases_have_no_such_settings(setting: str) -> None:
    with pytest.raises(UnsupportedError, match=rf"^{setting}: found 64, which sglang 0\.5\.13 "):
        kvcalc.cost(GPT_OSS, "sglang@0.5.13", **{setting: 64})  # type: ignore[arg-type]
