"""Presets: facts with their sources, refused where they are not what a preset says."""

import os
import tomllib
from pathlib import Path

import pytest

import kvcalc
from kvcalc.catalogue import models
from kvcalc.catalogue.folder import folder
from kvcalc.catalogue.preset import parse
from kvcalc.readers import preset
from tests.each import each
from tests.shapes import PRESET

NAMES = models.names()


@each("name", NAMES)
def test_every_preset_loads_and_answers(name: str) -> None:
    model = kvcalc.load(name)
    assert model.name.lower() == name
    assert model.max_context is not None
    assert kvcalc.cost(model)(model.max_context) > 0


@each("name", NAMES)
def test_a_preset_of_the_catalogue_which_is_read_unchecked_is_what_the_checks_make_of_it(
    name: str,
) -> None:
    path = folder("models") / f"{name}.toml"
    model, checked = preset.read(path).model, parse(path).model()
    assert (model, hash(model), repr(model)) == (checked, hash(checked), repr(checked))


@each("name", NAMES)
def test_every_source_of_a_preset_has_an_address_and_facts_of_that_preset(name: str) -> None:
    table = tomllib.loads((folder("models") / f"{name}.toml").read_text())
    for source in table["sources"]:
        assert source["address"].startswith("https://")
        for fact in source["facts"]:
            within = table
            for step in fact.split("."):
                assert step in within, fact
                within = within[step]


@each("name", NAMES)
def test_a_presets_file_is_named_in_lower_case(name: str) -> None:
    assert name == name.lower()


def file_of(name: str) -> str:
    """The config.json here that a preset's facts are held against, where there is one."""
    hub_id = kvcalc.load(name).hub_id or ""
    return OTHERWISE.get(name, hub_id.replace("/", "--"))


CONFIGS = {p.stem: p for p in (Path(__file__).parents[1] / "oracles" / "configs").glob("*.json")}
OTHERWISE = {
    "gemma-4-31b": "google--gemma-4-31B",
    "llama-3.1-405b": "meta-llama--Meta-Llama-3.1-405B",
    "llama-3.1-70b": "meta-llama--Meta-Llama-3.1-70B",
    "llama-3.1-8b": "meta-llama--Meta-Llama-3.1-8B",
}
"""Presets whose config.json has another name here than their `hub_id`."""
PARTIAL = {"llama-4-scout"}
"""Presets whose config.json here is without its `vision_config`: a log's weights hold their towers
(`PRESETS` of tests/engines/vllm/memory_rows.py)."""
SHAPE = ("layers", "dtype", "max_context", "num_nextn_predict_layers")
WEIGHTS = ("model_type", "sizes", "quantization")


@each("name", [name for name in NAMES if file_of(name) in CONFIGS])
def test_a_preset_says_what_its_published_file_says(name: str) -> None:
    model, published = kvcalc.load(name), kvcalc.load(CONFIGS[file_of(name)])
    weights = () if name == "minimax-m3" else WEIGHTS  # no class has the type of its own file
    if name in PARTIAL:
        model, published = without_tower(model), without_tower(published)
    for fact in (*SHAPE, *weights):
        assert getattr(model, fact) == getattr(published, fact), fact


def without_tower(model: kvcalc.Model) -> kvcalc.Model:
    assert model.sizes is not None
    sizes = model.sizes.model_copy(update={"tower": None})
    return model.model_copy(update={"sizes": sizes})


# Bytes that one more token of one sequence takes while every layer still keeps all: figures that
# others published. Those of arXiv 2505.09343 are in KB of 1,000 bytes; llama.cpp's log is for 2,048
# tokens in MiB; the Hugging Face article's is for 1,024 tokens in GiB.
ISCA = "arXiv 2505.09343, table 1"
LLAMA_31 = "https://huggingface.co/blog/llama31"
LOG = "https://huggingface.co/dranger003/c4ai-command-r-v01-iMat.GGUF/discussions/6"


@pytest.mark.parametrize(
    ("name", "token_bytes"),
    [
        pytest.param("deepseek-v3", 70_272, id=f"DeepSeek-V3, 70.272 KB: {ISCA}"),
        pytest.param("llama-3.1-405b", 516_096, id=f"Llama 3.1 405B, 516.096 KB: {ISCA}"),
        pytest.param("llama-3.1-70b", 2**30 * 5 // 16 // 1024, id=f"70B, 0.313 GB: {LLAMA_31}"),
        pytest.param("llama-3.1-8b", 2**30 // 8 // 1024, id=f"8B, 0.125 GB: {LLAMA_31}"),
        pytest.param("mixtral-8x7b", 256 * 2**20 // 2048, id=f"Mixtral 8x7B, 256 MiB: {LOG}"),
    ],
)
def test_a_token_takes_the_bytes_that_others_published(name: str, token_bytes: int) -> None:
    cost = kvcalc.cost(kvcalc.load(name), kv_cache_dtype="bf16")
    assert cost(1) == cost(1025) - cost(1024) == token_bytes


def test_llama_3_1_70b_takes_327_680_bytes_a_token() -> None:
    assert kvcalc.cost(kvcalc.load("llama-3.1-70b"))(1) == 327_680


def test_k_exaone_is_swept_at_the_contexts_and_windows_of_its_report() -> None:
    model = kvcalc.load("k-exaone-236b-a23b")
    assert set(model.contexts) == {8_192, 32_768, 131_072, 262_144}
    assert model.windows == (4_096, 128)
    assert (model.window, model.max_context) == (128, 262_144)


@pytest.fixture(autouse=True)
def _own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder("models")
    monkeypatch.chdir(tmp_path)


def written(text: str | bytes) -> Path:
    path = Path("test-1b.toml")
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_a_repeated_pattern_is_said_once() -> None:
    model = preset.read(written(PRESET)).model
    assert [layer.kind for layer in model.layers] == ["sliding_attention", "full_attention"] * 2


@pytest.mark.parametrize(
    ("line", "instead", "sentence"),
    [
        pytest.param(
            "num_layers = 4",
            "num_layers = 4\nmax_context = 8192",
            r"max_context: has no source in \[\[sources\]\]",
            id="a fact without a source",
        ),
        pytest.param(
            'facts = ["num_layers", "pattern", "layers"]',
            'facts = ["num_layers", "layers"]',
            r"pattern: has no source in \[\[sources\]\]",
            id="a needed fact without a source",
        ),
        pytest.param(
            "num_layers = 4",
            "num_layers = 4\nnum_heads = 8",
            r"'num_heads': unknown; known are .*num_layers",
            id="an unknown key",
        ),
        pytest.param(
            "window = 128",
            "window = 128\nwindows = 4",
            r"layers\.L: 'windows': unknown; known are .*window",
            id="an unknown key of a layer",
        ),
        pytest.param(
            "num_layers = 4",
            'num_layers = "4"',
            r"num_layers: found '4', expected a valid integer",
            id="a string for a number",
        ),
        pytest.param(
            "num_layers = 4",
            f"num_layers = 4\n{'a.' * 65}a = 1",
            r"line \d+: found 65 dots, expected at most 64$",
            id="tables in tables",
        ),
        pytest.param(
            "num_layers = 4",
            f"num_layers = {'1' * 4_301}",
            r"not TOML \('Exceeds the limit",
            id="digits",
        ),
        pytest.param(
            "num_layers = 4", "num_layers = 4.0", r"num_layers: found 4\.0, exp", id="a float"
        ),
        pytest.param("num_layers = 4", "num_layers = true", r"num_layers: found True", id="a bool"),
        pytest.param("num_layers = 4", "num_layers = 0", r"num_layers: found 0", id="no layers"),
        pytest.param(
            "num_layers = 4", "num_layers = 1000001", r"layers: found 1000001", id="absurd layers"
        ),
        pytest.param("num_layers = 4\n", "", r"num_layers: missing$", id="a missing key"),
        pytest.param(
            "window = 128", 'window = "128"', r".*window: found '128', expected", id="window text"
        ),
        pytest.param("window = 128\n", "", r".*window: missing$", id="a layer's missing key"),
        pytest.param(
            "kv_heads = 8", "kv_heads = 8\nquery_heads = 12", r".*kv_heads: found 8", id="heads"
        ),
        pytest.param(
            'kind = "full_attention"',
            'kind = "magic"',
            r".*kind\b.*'magic'|.*'kind'.*full_attention",
            id="an unknown kind of layer",
        ),
        pytest.param('"LG"', '"LX"', r"pattern: found the letter 'X', exp", id="unknown letter"),
        pytest.param('"LG"', '"L"', r"layers: 'G' is not in the pattern", id="unused layer"),
        pytest.param('"LG"', '""', r"pattern: found '', expected", id="an empty pattern"),
        pytest.param('"Test-1B"', '"\\u001b[31mX"', r"name: found '\\x1b\[31mX'", id="escape"),
        pytest.param("name =", "name", r"not TOML \(", id="not TOML"),
        pytest.param(
            "num_layers = 4", f"num_layers = {'9' * 5000}", r"", id="a number of 5,000 digits"
        ),
    ],
)
def test_a_bad_preset_is_refused_with_its_file_and_key(
    line: str, instead: str, sentence: str
) -> None:
    assert line in PRESET
    path = written(PRESET.replace(line, instead))
    with pytest.raises(kvcalc.KvcalcError, match=rf"^'test-1b\.toml': {sentence}") as refused:
        preset.read(path)
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"\xff\xfe", r"not TOML \("),
        (b"x = " + b"[" * 5000, r"not TOML \("),
        (b"#" * (2**20 + 1), r"larger than the 65,536 bytes expected of such a file$"),
        (b"", r"name: missing$"),
    ],
    ids=["not text", "nested beyond reason", "too large", "empty"],
)
def test_a_file_that_is_no_preset_is_refused(content: bytes, sentence: str) -> None:
    with pytest.raises(kvcalc.KvcalcError, match=rf"^'test-1b\.toml': {sentence}"):
        preset.read(written(content))


def test_hundreds_of_different_layers_in_a_file_are_refused_or_answered() -> None:
    letters = [chr(0x4E00 + place) for place in range(600)]
    tables = [
        f'[layers."{letter}"]\nkind = "sliding_attention"\nkv_heads = 1\nhead_dim = 1\n'
        f"window = {place + 1}\n"
        for place, letter in enumerate(letters)
    ]
    head, sources = PRESET.partition("[layers.L]")[0], PRESET.partition("[[sources]]")[2]
    head = head.replace("= 4", "= 600").replace('"LG"', f'"{"".join(letters)}"')
    path = written(f"{head}{''.join(tables)}[[sources]]{sources}")
    try:
        total = kvcalc.cost(preset.read(path).model)(10**6)
    except kvcalc.KvcalcError as refused:
        total = 0 if "layers" in str(refused) else -1
    assert total in (0, 4 * sum(range(601)))


def test_a_missing_file_is_refused_by_its_name() -> None:
    with pytest.raises(kvcalc.KvcalcError, match=r"^'none\.toml': found nothing, expected a file$"):
        preset.read(Path("none.toml"))


def test_what_is_no_regular_file_is_not_read() -> None:
    os.mkfifo("pipe.toml")
    Path("folder.toml").mkdir()
    for name in ("pipe.toml", "folder.toml"):
        with pytest.raises(kvcalc.KvcalcError, match=r"found something that is not a regular file"):
            preset.read(Path(name))


def test_a_file_that_cannot_be_read_is_refused_with_the_reason() -> None:
    with pytest.raises(kvcalc.KvcalcError, match=r": cannot be read \(File name too long\)$"):
        preset.read(Path(f"{'x' * 300}.toml"))


@each("typed", ["QWEN3_32B", "qwen3 32b", "Qwen3.32B", "Qwen/QWEN3-32B"])
def test_a_preset_is_found_however_its_name_is_dashed(typed: str) -> None:
    assert kvcalc.load(typed).name == "Qwen3-32B"
