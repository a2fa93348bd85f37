"""A server's metrics: one bounded GET, and what they say of a running vLLM or SGLang."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, HTTPServer
from threading import Thread

import pytest

import kvcalc
from kvcalc.answers.check import AGREES, CANNOT, DIFFERS
from kvcalc.readers import metrics
from tests.conftest import Cli
from tests.each import each
from tests.engines.log_lines import checked

VLLM = (
    "# HELP vllm:kv_cache_usage_perc KV-cache usage. 1 means 100 percent usage.\n"
    "# TYPE vllm:kv_cache_usage_perc gauge\n"
    'vllm:kv_cache_usage_perc{{engine="0",model_name="Qwen/Qwen3-8B"}} {}\n'
    'vllm:cache_config_info{{block_size="16",cache_dtype="auto",gpu_memory_utilization="0.92",'
    'kv_cache_max_concurrency="71.109375",kv_cache_memory_bytes="None",'
    'kv_cache_size_tokens="72816",num_gpu_blocks="4551",num_gpu_blocks_override="None"}} 1.0\n'
)
SGLANG = (
    'sglang:num_used_tokens{{model_name="Qwen/Qwen3-8B",tp_rank="0"}} 2500.0\n'
    'sglang:max_total_num_tokens{{model_name="Qwen/Qwen3-8B",tp_rank="0"}} 10000.0\n'
    'sglang:token_usage{{model_name="Qwen/Qwen3-8B",tp_rank="0"}} {}\n'
)


@contextmanager
def serving(answer: Callable[[BaseHTTPRequestHandler], None]) -> Iterator[str]:
    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            answer(self)

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/metrics"
        server.shutdown()


def of(status: int, body: bytes = b"", **headers: str) -> Callable[[BaseHTTPRequestHandler], None]:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        for name, value in headers.items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def test_a_running_servers_metrics_are_checked(cli: Cli) -> None:
    """455 of the 4,550 blocks beside the null block are held; a request of 1,024 takes 64."""
    with serving(of(200, VLLM.format("0.1").encode())) as address:
        outcome = cli("check", address, "--set", "max_model_len=1024")
        (rows,) = [kvcalc.check(address, context=1024)]
    assert (outcome.code, outcome.err) == (0, "")
    assert "455 of 4,550 blocks; the others hold 63 more requests of 1,024 tokens" in outcome.out
    verdicts = {row.figure: row.verdict for row in rows}
    assert verdicts["cache usage (share)"] == verdicts["maximum concurrency (x)"] == AGREES


@each(("held", "more"), [(454, 64), (455, 63), (4550, 0)])
def test_requests_that_the_other_blocks_hold_are_whole(held: int, more: int) -> None:
    """Of 4,550 blocks; a request of 1,024 tokens takes 64."""
    lines = VLLM.format(held / 4550).splitlines()
    (row, *_) = checked(lines, kvcalc.load("qwen3-8b"), {"max_model_len": 1024})
    assert f"the others hold {more} more requests" in row.why


@each(
    ("usage", "verdict"), [("0.25", AGREES), ("0.26", AGREES), ("0.261", CANNOT), ("0.2", DIFFERS)]
)
def test_sglangs_share_is_held_to_a_hundredth(usage: str, verdict: str) -> None:
    """2,500 of 10,000 tokens; a larger share is that of another pool, which is fuller."""
    (row,) = checked(SGLANG.format(usage).splitlines(), kvcalc.load("qwen3-8b"), {})
    assert row.verdict == verdict


REFUSED = {
    "elsewhere": (of(302, Location="http://example.invalid/"), "a redirect, which is not followed"),
    "missing": (of(404), "answered HTTP 404, expected 200"),
    "large": (of(200, b"x" * 300), "larger than the 200 bytes expected of metrics"),
    "other": (of(200, b"hello\n"), "found no known line"),
}


@pytest.mark.parametrize("case", sorted(REFUSED))
def test_what_is_no_answer_is_one_sentence(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, case: str
) -> None:
    monkeypatch.setattr(metrics, "MOST_BYTES", 200)
    answer, sentence = REFUSED[case]
    with serving(answer) as address:
        outcome = cli("check", address)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith(f"kvcalc: '{address}': ")
    assert sentence in outcome.err


def test_an_answer_is_waited_for_in_all_and_not_between_its_bytes(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "SECONDS", 0.2)

    def dripping(handler: BaseHTTPRequestHandler) -> None:
        with suppress(OSError):
            handler.wfile.write(b"HTTP/1.0 200 OK\r\nX-Slow: ")
            for _ in range(25):
                time.sleep(0.02)
                handler.wfile.write(b"x")

    with serving(dripping) as address:
        assert (
            cli("check", address).err == f"kvcalc: '{address}': not answered within 0.2 seconds\n"
        )


@pytest.mark.parametrize(
    "address", ["http://", "http://a:b@127.0.0.1/", "http://127.0.0.1:1/", "http://127.0.0.1:x/"]
)
def test_an_address_that_cannot_be_asked_is_named(cli: Cli, address: str) -> None:
    outcome = cli("check", address)
    assert (outcome.code, outcome.err.count("\n")) == (2, 1)
    assert "not a regular file" not in outcome.err


def test_a_share_is_of_whole_blocks() -> None:
    lines = VLLM.format("0.10001").splitlines()
    rows = {row.figure: row.verdict for row in checked(lines, settings={"context": 1024})}
    assert rows["cache usage (share)"] == DIFFERS
    (row,) = checked(lines[2:3])
    assert (row.verdict, row.remedies) == (CANNOT, ())


@each(
    ("blocks", "usage", "verdict", "why"),
    [
        # One block is the null block, which no request holds.
        (1, "0.0", CANNOT, "the blocks are missing"),
        (2, "1.0", AGREES, "1 of 1 blocks"),
        (3, "0.5", AGREES, "1 of 2 blocks"),
        # Releases before 0.33.0 count the null block as one that is held.
        (3, "0.6666666666666666", AGREES, "2 of 3 blocks"),
    ],
)
def test_the_least_pool_has_a_block_beside_the_null_block(
    blocks: int, usage: str, verdict: str, why: str
) -> None:
    gauge = f'vllm:kv_cache_usage_perc{{engine="0"}} {usage}'
    rows = checked([gauge, f'vllm:cache_config_info{{num_gpu_blocks="{blocks}"}} 1.0'])
    (row,) = (row for row in rows if row.figure == "cache usage (share)")
    assert (row.verdict, why in row.why) == (verdict, True)


@each(("usage", "verdict"), [("0.25", AGREES), ("0.1", DIFFERS), ("0.9", CANNOT)])
def test_the_share_of_sglangs_tokens_is_that_of_its_counts(usage: str, verdict: str) -> None:
    (row,) = checked(SGLANG.format(usage).splitlines())
    assert row.verdict == verdict


@each(
    ("model", "settings", "said"),
    [
        ("qwen3-8b", {}, "2,500 of 10,000 tokens; the others hold 0 more requests of 40,960"),
        ("qwen3-8b", {"context": 1000}, "the others hold 7 more requests of 1,000 tokens"),
        ("qwen3-8b", {"context": 1000, "page_size": 64}, "hold 7 more requests of 1,000 tokens"),
        ("qwen3-8b", {"context": 937, "page_size": 64}, "hold 7 more requests of 937 tokens"),
        ("qwen3-8b", {"context": 937}, "hold 8 more requests of 937 tokens"),
        ("gpt-oss-20b", {"context": 1000}, "7 more requests of 1,000 tokens in the full pool"),
        (None, {"context": 1000}, "2,500 of 10,000 tokens"),
    ],
)
def test_what_sglangs_free_tokens_hold_is_said(
    model: str | None, settings: dict[str, int], said: str
) -> None:
    text = SGLANG.format("0.25").replace("Qwen/Qwen3-8B", "somebody/own")
    (row,) = checked(text.splitlines(), None if model is None else kvcalc.load(model), settings)
    assert said in row.why
    assert (model is None) == row.why.endswith("of 10,000 tokens")
