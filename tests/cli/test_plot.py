"""`kvcalc plot`: its files, its forms, and what it refuses."""

import json
import sys
from pathlib import Path

import pytest

from tests.conftest import Cli

EXAONE = ("plot", "k-exaone-236b-a23b", "-e", "ideal,vllm,sglang", "-w", "4096,128")


def test_without_a_file_it_is_drawn(cli: Cli) -> None:
    outcome = cli(*EXAONE)
    assert (outcome.code, outcome.err) == (0, "")
    assert max(map(len, outcome.out.splitlines())) <= 80
    assert "△ sglang 0.5.23, window 128    51,539,607,552 (48.00 GiB) at 256K" in outcome.out


def test_a_picture_goes_to_a_file(cli: Cli, tmp_path: Path) -> None:
    assert cli("plot", "llama-3.1-8b", "-o", str(tmp_path / "a.PNG")).out == ""
    assert (tmp_path / "a.PNG").read_bytes().startswith(b"\x89PNG")
    for name, start in (("a.vl.json", b'{"$schema"'), ("a.svg", b"<svg")):
        path = tmp_path / name
        assert cli(*EXAONE, "-o", str(path)).out == ""
        light = path.read_bytes()
        assert light.startswith(start)
        assert "exists; --force replaces it" in cli(*EXAONE, "-o", str(path)).err
        assert cli(*EXAONE, "-o", str(path), "--force", "--dark").code == 0
        assert path.read_bytes() != light


def test_the_other_forms_have_the_same_points(cli: Cli, tmp_path: Path) -> None:
    asked = (*EXAONE, "--points", "4", "-c", "1000,200K")
    record = json.loads(cli(*asked, "--json").out)
    points = [
        [", ".join(curve["labels"]), str(context), str(size)]
        for curve in record["curves"]
        for context, size in zip(curve["contexts"], curve["bytes"], strict=True)
    ]
    rows = [line.split(",") for line in cli(*asked, "-f", "csv").out.splitlines()[1:]]
    assert len(rows) == len(points)
    assert [row[-2:] for row in rows] == [point[1:] for point in points]
    cli(*asked, "-o", str(tmp_path / "a.json"))
    assert json.loads((tmp_path / "a.json").read_text()) == record
    page = cli(*asked, "-f", "md").out
    assert "| ideal, window 128 | 204,800 |" in page
    cli(*asked, "-o", str(tmp_path / "a.txt"))
    assert (tmp_path / "a.txt").read_text() == cli(*asked).out


def test_a_servers_line_is_drawn(cli: Cli) -> None:
    line = "vllm serve llama-3.1-8b --max-model-len 32768 --kv-cache-dtype fp8"
    outcome = cli("plot", "--from", line, "--gpu", "rtx-4090")
    assert outcome.code == 0
    assert outcome.out.startswith("KV cache of Llama-3.1-8B on vllm 0.33.0, 1 sequence, fp8")
    assert " at 32K" in outcome.out


def test_without_the_extra_only_pictures_of_pixels_are_refused(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "vl_convert", None)
    assert cli(*EXAONE, "-o", str(tmp_path / "a.vl.json")).code == 0
    for ending in (".svg", ".png"):
        outcome = cli("plot", "no-such-model", "-o", str(tmp_path / f"a{ending}"))
        assert (outcome.code, outcome.out) == (2, "")
        assert outcome.err == (
            "kvcalc: pictures as SVG and PNG need the extra kvcalc[plot]: "
            "pip install 'kvcalc[plot]'\n"
        )


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--gpus", "4"), "--gpus: found without --gpu"),
        (("--weights", "4GB"), "--weights: found without --gpu"),
        (("--dark",), "--dark: found without a picture, as -o x.svg, x.png, x.vl.json"),
        (("--dark", "-o", "a.json"), "--dark: found without a picture"),
        (("-c", "x"), "--context: found 'x', expected a whole number"),
        (("-o", "a.pdf"), "output 'a.pdf': found '.pdf', expected .csv, .html, .json, .md, .png"),
        (("-f", "json", "-o", "a.svg"), "-f: found json beside a file that ends in .svg"),
        (("gpt-oss-20b", "--gpu", "h200", "--weights", "4GB"), "--weights: found beside several"),
    ],
)
def test_what_is_wrong_is_said(cli: Cli, words: tuple[str, ...], sentence: str) -> None:
    outcome = cli("plot", "k-exaone-236b-a23b", *words)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.startswith(f"kvcalc: {sentence}")


RATES = ("--prefill-rate", "8000", "--decode-rate", "40")
TRACES = Path(__file__).parents[1] / "oracles" / "traces"


@pytest.mark.parametrize(
    "words",
    [
        ("compare", "k-exaone-236b-a23b"),
        ("fit", "llama-3.1-8b", "--gpu", "h100", "-c", "8K"),
        ("trace", "llama-3.1-8b", str(TRACES / "azure_code.csv"), *RATES),
        ("replay", "llama-3.1-8b", str(TRACES / "replay" / "tree_small.jsonl"), "--blocks", "9,99"),
    ],
    ids=lambda words: words[0],
)
def test_other_commands_draw_too(cli: Cli, tmp_path: Path, words: tuple[str, ...]) -> None:
    path = tmp_path / "a.vl.json"
    outcome = cli(*words, "-o", str(path))
    assert (outcome.code, outcome.out) == (0, "")
    assert json.loads(path.read_text())["title"]["text"]
