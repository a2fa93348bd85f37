"""SGLang's lines about states, compressed rows and reserved addresses, by 0.5.23's own formats."""

import pytest

import kvcalc
from kvcalc.answers.check import AGREES, CANNOT, DIFFERS, Checked
from kvcalc.engines.log import NO_MODEL
from tests.each import each
from tests.engines.log_lines import checked, load, misprinted

LLAMA = load("llama-3.1-8b")
QWEN = load("tests/oracles/configs/Qwen--Qwen3.5-27B.json")
DEEPSEEK = load("tests/oracles/configs/deepseek-ai--DeepSeek-V4-Flash.json")


def verdicts(rows: list[Checked]) -> list[str]:
    return [row.verdict for row in rows]


CAPPED = (
    "[2026-08-28 10:00:00] max_running_requests is capped to {} by the mamba state cache "
    "(max_mamba_cache_size={}, {} state slots per request). To raise it: increase"
)


def test_requests_are_capped_by_the_slots_of_state() -> None:
    """sgl-project/sglang#36889: 3 slots a request, and 2 that follow it with overlap."""
    line = CAPPED.format(2, 10, 5)
    assert verdicts(checked([line])) == [AGREES, CANNOT]
    assert verdicts(checked([line], QWEN)) == [AGREES, AGREES]
    assert verdicts(checked([CAPPED.format(3, 10, 5)], QWEN)) == [DIFFERS, AGREES]
    assert verdicts(checked([CAPPED.format(2, 10, 4)], QWEN)) == [AGREES, DIFFERS]
    assert verdicts(checked([line], LLAMA)) == [AGREES, CANNOT]


def test_the_slots_of_states_are_one_more_than_are_given_out() -> None:
    """Slot 0 is for padding: 11 of 48 layers' states of 48 heads x 128 x 128 in float32."""
    line = (
        "Mamba Cache is allocated. max_mamba_cache_size: 10, conv_state size: 0.03 GB, "
        f"ssm_state size: {11 * 48 * 48 * 128 * 128 * 4 / 2**30:.2f} GB"
    )
    rows = checked([line], QWEN)
    assert verdicts(rows) == [AGREES, AGREES]
    assert {row.why for row in rows} == {"11 slots of all recurrent layers, one rank"}
    assert {row.why for row in checked([line])} == {NO_MODEL}


@pytest.mark.parametrize("arguments", ["server_args=ServerArgs({}", "server_args={{{}"])
def test_the_arguments_say_how_states_are_followed(arguments: str) -> None:
    """0.5.23 prints its resolved arguments as a dict, older releases as ServerArgs(...)."""
    quoted = "'" if "{{" in arguments else ""
    said = {"disable_overlap_schedule": "True", "mamba_radix_cache_strategy": "'no_buffer'"}
    separator = ": " if quoted else "="
    text = ", ".join(f"{quoted}{name}{quoted}{separator}{value}" for name, value in said.items())
    line = CAPPED.format(3, 10, 3)
    assert verdicts(checked([line], QWEN)) == [AGREES, DIFFERS]
    assert verdicts(checked([arguments.format(text), line], QWEN)) == [AGREES, AGREES]


@each(
    ("arguments", "size"),
    [
        ("tp_size=8, dp_size=1, enable_dp_attention=False", "1.00"),
        ("tp_size=8, dp_size=8, enable_dp_attention=False", "1.00"),
        ("tp_size=8, dp_size=8, enable_dp_attention=True", "8.00"),
        ("tp_size=8, attn_dp_size=8, dp_size=1, enable_dp_attention=True", "8.00"),
    ],
)
def test_groups_of_the_attention_are_read_in_either_spelling(arguments: str, size: str) -> None:
    """8 KV heads over 8 ranks, or all of them on each."""
    line = "KV Cache is allocated. dtype: torch.bfloat16, #tokens: 131071, "
    line += f"K size: {size} GB, V size: {size} GB"
    rows = checked([f"server_args=ServerArgs({arguments})", line], LLAMA)
    assert verdicts(rows) == [AGREES, AGREES], rows


@pytest.mark.parametrize("allocated", ["is allocated", "VA upper bound"])
def test_a_pool_whose_addresses_are_reserved_is_read_as_one_that_is_allocated(
    allocated: str,
) -> None:
    """32 layers x 8 heads x 128 x 2 bytes x 131,072 tokens are 8 GiB of keys."""
    line = f"KV Cache {allocated}. dtype: torch.bfloat16, #tokens: 131071, "
    line += "K size: 8.00 GB, V size: 8.00 GB"
    assert verdicts(checked([line], LLAMA)) == [AGREES, AGREES]
    for changed in misprinted(line, "K size: @ GB", places=2):
        assert verdicts(checked([changed], LLAMA)) == [DIFFERS, AGREES]


@pytest.mark.parametrize("reserved", ["mem usage", "VA upper bound"])
def test_both_pools_of_a_windowed_model(reserved: str) -> None:
    model = load("gpt-oss-20b")
    pool = kvcalc.pool(model, "sglang", memory=2**34, context=8192)
    line = (
        f"SWAKVPool {reserved}: {pool.figures['kv_bytes'] / 2**30:.2f} GB, swa size: "
        f"{pool.figures['swa_tokens']}, full size: {pool.figures['full_tokens']}"
    )
    assert verdicts(checked([line], model)) == [AGREES]


def _padded(rows: int) -> int:
    return -(-rows * 584 // 576) * 576


WINDOW = 43 * _padded(256) / 256 + 21 * 8 / 256 * (4 * 512 * 4 + 4 * 128 * 4)
TOKEN = 21 * (_padded(64) / 64 / 4 + 132 / 4) + 20 * _padded(2) / 2 / 128 + 0.1 * WINDOW
"""Bytes of a token of DeepSeek-V4-Flash: 21 layers of ratio 4, 20 of 128, and a tenth of the
window's rows with 8 rows of state a page (pool_configurator.py, _get_bytes_per_full_token)."""

STATES = -(-(257 * 128 + 128 + 1) // 128) * 128 * 2 * 512 * 4 * 20
"""Bytes of 256 requests' states of ratio 128 (_get_c128_state_fixed_bytes)."""


def memory_line(available: int, *, full: int, unified: bool = False) -> str:
    return (
        f"DSV4 memory calculation: unified={unified}, unified_fp8=False, dspark_draft_bf16=False, "
        f"bytes_per_full_token={TOKEN:.2f}, available_bytes={available / 2**30:.2f} GB, "
        f"c128_state_fixed={STATES / 2**30:.2f} GB, c2_state_fixed=0.00 GB, swa_fixed=0.00 GB, "
        f"swa_ring_fixed=0.00 GB, c4_state_fixed=0.00 GB, full_token={full}"
    )


AVAILABLE = 60 * 2**30
FULL = int((AVAILABLE - STATES) / TOKEN) // 256 * 256
FIGURES = {"bytes_per_full_token=@,": 2, "c128_state_fixed=@ GB": 2}


def test_the_memory_of_compressed_pools() -> None:
    line = memory_line(AVAILABLE, full=FULL)
    assert verdicts(checked([line], DEEPSEEK)) == [AGREES] * 3
    assert verdicts(checked([line])) == [CANNOT] * 3
    for figure, places in FIGURES.items():
        for changed in misprinted(line, figure, places):
            assert verdicts(checked([changed], DEEPSEEK)).count(DIFFERS) == 1
    for wrong in (FULL - 1, FULL + 2048, FULL - 2048):
        rows = checked([memory_line(AVAILABLE, full=wrong)], DEEPSEEK)
        assert verdicts(rows) == [AGREES, AGREES, DIFFERS]
    rows = checked([memory_line(AVAILABLE, full=FULL, unified=True)], DEEPSEEK)
    assert verdicts(rows) == [CANNOT] * 3
    assert "the unified pool of DeepSeek V4" in rows[0].why


@each("spelled", ["DSv4", "DSV4"])
def test_the_memory_of_older_compressed_pools_cannot_be_checked(spelled: str) -> None:
    """sgl-project/sglang#24523, of a build before 0.5.15."""
    line = (
        f"{spelled} memory calculation: bytes_per_full_token=23749.84, available_bytes=4.13 GB, "
        "full_token=186368"
    )
    rows = checked([line], DEEPSEEK)
    assert verdicts(rows) == [CANNOT] * 2
    assert "before 0.5.15, whose line has no c128_state_fixed" in rows[0].why


def test_the_tokens_of_compressed_pools() -> None:
    swa = int(FULL * 0.1) // 256 * 256
    line = (
        f"DSV4 pool sizes: full={FULL}, swa={swa}, c4={FULL // 4}, c128={FULL // 128}, "
        f"c4_state={swa // 256 * 8}, c128_state=0"
    )
    assert verdicts(checked([line], DEEPSEEK)) == [AGREES] * 4
    assert verdicts(checked([line])) == [AGREES, AGREES, CANNOT, CANNOT]
    for name in ("swa", "c4", "c128", "c4_state"):
        for changed in misprinted(line, f" {name}=@,"):
            assert DIFFERS in verdicts(checked([changed], DEEPSEEK))


def test_settings_that_sglang_refuses_are_said_at_each_figure() -> None:
    line = "KV Cache is allocated. dtype: torch.bfloat16, #tokens: 131071, KV size: 8.00 GB"
    (row,) = checked([line], LLAMA, {"mamba_radix_cache_strategy": "extra_buffer"})
    assert row.verdict == CANNOT
    assert "keeps no states" in row.why
