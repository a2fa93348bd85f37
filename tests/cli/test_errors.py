"""Bad input: one sentence on stderr, nothing on stdout, exit code 2."""

import re
from pathlib import Path

import pytest
from syrupy.assertion import SnapshotAssertion

from tests.conftest import Cli, Outcome
from tests.shapes import PRESET

KEXAONE = "k-exaone-236b-a23b"
SHAPE = ("--layers", "48", "--kv-heads", "8", "--head-dim", "128")

BAD: dict[str, tuple[str, ...]] = {
    "an unknown model": ("estimate", "llama-3.1-8c"),
    "an unknown model like no other": ("estimate", "zzzz"),
    "an unknown engine": ("estimate", KEXAONE, "-e", "abacus"),
    "an unknown element type": ("estimate", KEXAONE, "-d", "bf12"),
    "an unknown element type of a shape": ("estimate", *SHAPE, "-c", "8K", "--dtype", "bf12"),
    "no context": ("estimate", KEXAONE, "-c", "0"),
    "a negative context": ("estimate", KEXAONE, "-c", "-5"),
    "an unknown suffix": ("estimate", KEXAONE, "-c", "12Q"),
    "not a number": ("estimate", KEXAONE, "-c", "nan"),
    "an infinite number": ("estimate", KEXAONE, "-c", "1e400"),
    "no sequences": ("estimate", KEXAONE, "-n", "0"),
    "no window": ("estimate", KEXAONE, "-w", "0"),
    "a range from large to small": ("sweep", KEXAONE, "-c", "256K..8K"),
    "a range without an end": ("sweep", KEXAONE, "-c", "8K.."),
    "an empty item of a list": ("sweep", KEXAONE, "-c", "8K,,32K"),
    "a window without sliding layers": ("estimate", "llama-3.1-8b", "-w", "128"),
    "a window for chunks": ("sweep", "llama-4-scout", "-w", "128"),
    "a window for a shape without L": ("estimate", *SHAPE, "-c", "8K", "-w", "128"),
    "a shape of L without a window": ("estimate", *SHAPE, "-c", "8K", "--pattern", "LG"),
    "a letter of no kind": ("estimate", *SHAPE, "-c", "8K", "--pattern", "LXG"),
    "a model and a shape": ("estimate", KEXAONE, "--layers", "48"),
    "a model and a shape's pattern": ("sweep", KEXAONE, "--pattern", "LLLG"),
    "neither a model nor a shape": ("estimate",),
    "half a shape": ("estimate", "--layers", "48"),
    "a shape without a context": ("estimate", *SHAPE),
    "a shape swept without a context": ("sweep", *SHAPE),
    "a shape of no layers": ("estimate", "--layers", "0", *SHAPE[2:], "-c", "8K"),
    "a shape of a word of layers": ("estimate", "--layers", "many", *SHAPE[2:], "-c", "8K"),
    "an unknown key": ("estimate", "unknown-key.toml"),
    "a string for a number": ("estimate", "string.toml"),
    "an escape code in a name": ("estimate", "escape.toml"),
    "an unsourced fact": ("estimate", "unsourced.toml"),
    "heads that cannot be shared": ("estimate", "heads.toml"),
    "a number of 5,000 digits": ("estimate", "digits.toml"),
    "not TOML": ("estimate", "no.toml"),
    "a missing file": ("estimate", "missing.toml"),
    "a folder": ("estimate", "folder"),
    "a folder named like a file": ("estimate", "folder.toml"),
    "the root": ("estimate", "/"),
    "a name beyond reason": ("estimate", "x" * 5000),
    "an escape code in a model's name": ("estimate", "\x1b[31mx\x1b[0m.toml"),
    "an output in no folder": ("sweep", KEXAONE, "-o", "missing/answer.csv"),
    "an output that is a folder": ("sweep", KEXAONE, "-o", "folder"),
    "an output that is a device": ("sweep", KEXAONE, "-o", "/dev/null"),
    "an output named beyond reason": ("sweep", KEXAONE, "-o", "x" * 5000),
    "an unknown setting": ("estimate", KEXAONE, "--set", "block_size=16"),
    "a setting without a value": ("estimate", KEXAONE, "--set", "kv_cache_dtype"),
    "ranks that cannot share the heads": ("estimate", KEXAONE, "--tp", "3"),
    "no ranks": ("estimate", KEXAONE, "--tp", "0"),
    "a word of ranks": ("estimate", KEXAONE, "--set", "tensor_parallel_size=two"),
    "an unknown format": ("sweep", KEXAONE, "-f", "xml"),
    "two formats": ("sweep", KEXAONE, "--json", "-f", "csv"),
    "an unknown option": ("sweep", KEXAONE, "--frobnicate"),
    "an option without its value": ("sweep", KEXAONE, "-c"),
    "an unknown command": ("frobnicate",),
}


@pytest.fixture(autouse=True)
def _files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    digits = "9" * 5000
    for name, text in {
        "unknown-key": PRESET.replace("num_layers = 4", "num_layers = 4\nnum_heads = 8"),
        "string": PRESET.replace("num_layers = 4", 'num_layers = "4"'),
        "escape": PRESET.replace("Test-1B", "\\u001b[31mTest-1B"),
        "unsourced": PRESET.replace("num_layers = 4", "num_layers = 4\nmax_context = 8192"),
        "heads": PRESET.replace("kv_heads = 8", "kv_heads = 8\nquery_heads = 12", 1),
        "digits": PRESET.replace("num_layers = 4", f"num_layers = {digits}"),
        "no": "name",
    }.items():
        Path(f"{name}.toml").write_text(text)
    Path("folder").mkdir()
    Path("folder.toml").mkdir()


def is_one_sentence(outcome: Outcome) -> bool:
    return (
        (outcome.code, outcome.out) == (2, "")
        and outcome.err.startswith("kvcalc: ")
        and outcome.err.endswith("\n")
        and outcome.err[:-1].isprintable()
        and "Traceback" not in outcome.err
    )


def without_lists(sentence: str) -> str:
    """Leave out the lists of what is known: they grow with kvcalc."""
    return re.sub(r"(known are|; it has) .*", r"\1 ...", sentence)


@pytest.mark.parametrize("request_", BAD)
def test_bad_input_is_one_sentence(cli: Cli, request_: str, snapshot: SnapshotAssertion) -> None:
    """And it leaves no file behind."""
    before = {path.name for path in Path().iterdir()}
    outcome = cli(*BAD[request_])
    assert is_one_sentence(outcome), outcome
    assert without_lists(outcome.err) == snapshot
    assert {path.name for path in Path().iterdir()} == before


def test_a_fault_of_kvcalc_is_70_and_says_so(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(source: str) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setattr("kvcalc.readers.read", fail)
    outcome = cli("estimate", KEXAONE)
    assert (outcome.code, outcome.out) == (70, "")
    assert "RuntimeError: a fault" in outcome.err
    assert outcome.err.endswith("kvcalc: this is a fault of kvcalc, not of the request\n")


def test_an_interrupt_is_quiet(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(source: str) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("kvcalc.readers.read", interrupt)
    outcome = cli("estimate", KEXAONE)
    assert (outcome.code, outcome.out) == (130, "")
    assert "Traceback" not in outcome.err
