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


def test_what_takes_a_gpus_memory_needs_a_gpu(cli: Cli) -> None:
    found = cli("replay", "llama-3.1-8b", TRACE, "--gpus", "2")
    assert (found.code, found.out) == (2, "")
    assert "--gpus: found without --gpu" in found.err
