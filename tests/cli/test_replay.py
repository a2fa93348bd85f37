"""`kvcalc replay`: the rows, in each format, and each request's."""

import json

from tests.conftest import Cli

TRACE = "tests/oracles/traces/replay/multi_turn.jsonl"
ASKED = ("replay", "k-exaone-236b-a23b", TRACE, "-w", "4096,128", "--blocks", "997,1352")


def test_rows_say_what_each_window_and_size_hits(cli: Cli) -> None:
    rows = json.loads(cli(*ASKED, "--json").out)
    assert [row["hit_tokens"] for row in rows] == [35_936, 43_904, 61_200, 71_728]
    assert rows[0]["memory"] == 997 * 786_432
    assert rows[0]["prompt_tokens"] == 112_244
    assert rows[0]["refused"] == 0
    assert rows[0]["evicted_blocks"] == sum(rows[0]["evicted_by_group"])


def test_people_are_told_how_requests_met_the_cache(cli: Cli) -> None:
    text = cli(*ASKED).out
    assert "one after another: each request is served to its end" in text
    assert "a loaded server interleaves requests" in text
    timed = cli(*ASKED, "--prefill-rate", "8000", "--decode-rate", "50").out
    assert "as they come: from its time on a request holds its prompt's blocks" in timed
    assert "a loaded server interleaves requests" in timed


def test_each_request_has_a_row(cli: Cli) -> None:
    lines = cli(*ASKED, "--each", "-f", "csv").out.splitlines()
    assert lines[0] == "model,engine,window,blocks,request,prompt_tokens,hit_tokens,refused"
    assert len(lines) == 1 + 4 * 74
    assert lines[1] == "K-EXAONE-236B-A23B,vllm,4096,997,1,560,0,False"


def test_a_memory_or_a_setting_stands_where_blocks_may(cli: Cli) -> None:
    asked = ("replay", "k-exaone-236b-a23b", TRACE, "--memory", "1GiB,2GiB", "--prompts-only")
    kept = ("--set", "prefix_cache_retention_interval=none")
    rows = json.loads(cli(*asked, *kept, "--json").out)
    assert [row["memory"] for row in rows] == [2**30, 2**31]
    assert rows[0]["blocks"] == 1_365


def test_flags_and_a_servers_line_are_their_settings(cli: Cli) -> None:
    model, on = "k-exaone-236b-a23b", ("--gpu", "h200", "--gpus", "4", "--json")
    settings = ("--set", "block_size=32", "--set", "gpu_memory_utilization=0.95")
    exact = cli("replay", model, TRACE, *settings, *on).out
    flags = ("--block-size", "32", "--gpu-memory-utilization", "0.95")
    assert cli("replay", model, TRACE, *flags, *on).out == exact
    line = ("--from", f"vllm serve {model} {' '.join(flags)}")
    assert cli("replay", TRACE, *line, *on).out == exact
    other = ("--from", f"vllm serve qwen3-8b {' '.join(flags)}")
    assert cli("replay", model, TRACE, *other, *on).out == exact  # options win
    assert (
        json.loads(exact)[0]["blocks"]
        < json.loads(cli("replay", model, TRACE, *on).out)[0]["blocks"]
    )
    missing = cli("replay", *line)
    assert (missing.code, missing.err) == (
        2,
        "kvcalc: files: found none, expected at least one trace\n",
    )


def test_what_takes_a_gpus_memory_needs_a_gpu(cli: Cli) -> None:
    found = cli("replay", "llama-3.1-8b", TRACE, "--gpus", "2")
    assert (found.code, found.out) == (2, "")
    assert "--gpus: found without --gpu" in found.err


def test_a_curve_has_its_knee_named_and_the_best_policy_beside_it(cli: Cli) -> None:
    sizes = ("replay", "llama-3.1-8b", TRACE, "--blocks", "600,2000,4000,8000", "--best")
    text = cli(*sizes).out
    assert "knee: 2,000 blocks, the smallest size asked that hits 95 % of the most that" in text
    assert "best policy: what any policy of eviction could hit at most" in text
    rows = json.loads(cli(*sizes, "--json").out)
    assert [row["knee"] for row in rows] == [False, True, False, False]
    assert (
        "no knee: no size asked below the largest hits 95 % of the most"
        in cli(*sizes[:-2], "300,1000").out
    )
    alone = cli(*sizes[:-2], "600").out
    columns = ("window", "memory", "blocks", "hit tokens", "hits", "computed", "evicted blocks")
    assert alone.splitlines()[2].split() == " ".join((*columns, "peak blocks", "refused")).split()
    assert "knee" not in alone
    assert "best policy" not in alone


def test_what_one_gpu_more_adds_is_said(cli: Cli) -> None:
    asked = ("replay", "llama-3.1-8b", TRACE, "--gpu", "rtx-4090", "--gpus", "1,2")
    rows = json.loads(cli(*asked, "--json").out)
    assert [row["gpus"] for row in rows] == [1, 2]
    added = rows[1]["hit_tokens"] - rows[0]["hit_tokens"]
    assert rows[1]["added_hit_tokens"] == added
    assert f"1 GPU more than 1: {added:+,} hit tokens, " in cli(*asked).out
