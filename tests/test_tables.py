"""Every row of every table is exercised by a test, or carries the source it was taken from.

A table is a module's UPPERCASE name for a dictionary, a set, a tuple or a text of names. A row is
exercised where its key stands in a text of a test, or in a file that tests read: for an engine's
table in one of that engine.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from kvcalc.engines import ENGINES as ROWS
from kvcalc.engines.parts import PARTS
from tests.each import each
from tests.sources import text, tree

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "kvcalc"
DATA = {".json", ".jsonl", ".csv", ".log", ".ambr", ".toml"}
WORD = re.compile(r"[A-Za-z0-9_@/+.-]*[A-Za-z0-9*]")

ENGINES = {
    "exllamav3": ("exllamav3",),
    "ideal": ("ideal",),
    "llama_cpp": ("llama_cpp", "llama.cpp"),
    "lmdeploy": ("lmdeploy",),
    "mlx": ("mlx",),
    "sglang": ("sglang",),
    "tensorrt_llm": ("tensorrt",),
    "transformers": ("transformers",),
    "vllm": ("vllm",),
}
"""How files say which engine they are about, by the folder of its tables."""

UNREAD = {Path(__file__).name, "engine_names.json"}
"""Files that name rows without exercising them: the names of an engine's source are thousands."""

FLAGS = "tests/engines/test_option_names.py holds each row against the engine's own parser"
TYPES = "tests/engines/test_model_types.py holds each row against the engine's own source"
CLASSES = "tests build the layers by their classes, of which a kind is the name"
TITLES = "titles, widths and looks of cells, which no figure depends on"

EXEMPT: dict[str, dict[str, str]] = {
    FLAGS: {
        "engines/exllamav3/ignored_flags.py": "IGNORED SAID LOADS",
        "engines/exllamav3/examples.py": "IGNORED DRAFTS",
        "engines/llama_cpp/ignored_flags.py": "IGNORED SAID",
        "engines/llama_cpp/server.py": "VALUES SWITCHES",
        "engines/lmdeploy/ignored_flags.py": "IGNORED SAID LOADS",
        "engines/mlx/ignored_flags.py": "IGNORED",
        "engines/mlx/server.py": "VALUES",
        "engines/sglang/ignored_flags.py": "IGNORED",
        "engines/sglang/remarked_flags.py": "SAID REFUSED LOADS",
        "engines/sglang/server.py": "VALUES SWITCHES",
        "engines/vllm/ignored_flags.py": "IGNORED SAID REFUSED LOADS",
        "engines/vllm/server.py": "VALUES SWITCHES",
        "engines/vllm/draft_flags.py": "KEYS",
        "engines/vllm/json_flags.py": "KERNELS TRANSFER",
    },
    TYPES: {
        "engines/exllamav3/architectures.py": "RINGS PAGED NOT_MODELLED ONE_GROUP OF_TYPE",
        "engines/mlx/models.py": "ROTATING CHUNKED CACHE_LISTS ALL_FULL",
        "engines/lmdeploy/builders.py": "ONE_WINDOW LATENT DELTA",
        "engines/vllm/drafts.py": "MTP_LAYERS",
        "engines/llama_cpp/architectures.py": "ARCHITECTURES",
        "catalogue/gguf.py": "MODEL_TYPES PLAIN CACHELESS RECURRENT",
    },
    "tests/engines/test_said_beside.py goes through each row": {
        "engines/llama_cpp/ignored_flags.py": "SAID_VARIABLES",
        "engines/sglang/variables.py": "OWN_VALUES SAID_VARIABLES",
        "engines/vllm/ignored_flags.py": "SAID_VARIABLES",
    },
    "tests/answers/test_schema.py runs each row": {"answers/skill.py": "QUESTIONS"},
    "tests/engines/test_transformers.py holds each row against transformers' own list": {
        "engines/transformers/types.py": "TYPES",
    },
    "tests/engines/test_mlx_kv_size.py goes through each row": {
        "engines/mlx/models.py": "WITHOUT_MAKE_CACHE",
    },
    "tests/engines/test_mlx_shared.py goes through each row": {"engines/mlx/models.py": "SHARDED"},
    "tests/engines/server/test_python_calls.py goes through each row": {
        "engines/server/python_calls.py": "PROGRAMS",
    },
    "tests/engines/server/test_pasted_rows.py goes through each row": {
        "engines/server/containers.py": "CONTAINERS NO_VALUE ENVIRONMENT IMAGES TAGS ELSEWHERE",
        "engines/server/launchers.py": "WRAPPERS WRAPPED SHELLS",
        "engines/server/programs.py": "ALSO",
        "engines/llama_cpp/ignored_flags.py": "HARMLESS_VARIABLES",
        "engines/llama_cpp/server.py": "PRESETS",
        "engines/sglang/variables.py": "HARMLESS_VARIABLES",
        "engines/vllm/ignored_flags.py": "HARMLESS_VARIABLES",
        "engines/vllm/formats.py": "UNREAD",
        "engines/vllm/kernels.py": "READ UNREAD KERNELS_ALONE",
        "readers/line_files.py": "SCRIPTS",
    },
    "tests/engines/vllm/test_weights.py says of each role whether it is measured": {
        "engines/shards.py": "SHARDS",
        "engines/vllm/weights/elements.py": "FLOAT32_ROLES INT32",
        "engines/vllm/weights/formats.py": "SCALARS EXPERT_SCALARS FOLLOWING EXPERTS",
    },
    "tests/readers/test_quantised.py goes through each row": {
        "parameters/quantization.py": "MODULES ROOTS LINEAR",
        "readers/huggingface/parameters/quantised.py": "SCHEMES",
    },
    "tests/engines/test_own_caches.py goes through each row": {
        "engines/vllm/own_caches.py": "OWN_CACHES",
        "engines/sglang/own_caches.py": "OWN_CACHES",
    },
    "tests/engines/test_unserved.py goes through each row": {
        "engines/vllm/model_types.py": "WENT NO_INTERFACE WITH_A_SOURCE WITH_STATES",
    },
    "tests/engines/test_toy_engine.py has an engine with these files, and one without; "
    "tests/engines/server/test_pasted_rows.py has the lines": {"engines/parts.py": "PARTS"},
    "tests/catalogue/test_gguf_keys.py goes through each row": {
        "catalogue/gguf_keys.py": "READ HARMLESS",
    },
    "tests/answers/test_show.py writes each model as a preset and loads it back equal": {
        "outputs/preset.py": "FACTS WEIGHTS",
    },
    "tests/outputs/workbook/test_sheets.py writes a text that each would take for something else": {
        "outputs/workbook/xlsx.py": "NOTHING_IS_GUESSED",
    },
    "tests/browser/test_chromium.py runs each in a browser": {"outputs/web/document.py": "SCRIPTS"},
    "names of options, whose order tests/cli/test_help.py looks at": {"cli/help.py": "FIRST LAST"},
    "tests/test_aliases.py goes through each row": {
        "cli/output.py": "ALIASES",
        "engines/__init__.py": "ALIASES",
        "formula/languages/sql.py": "ALIASES",
        "formula/written.py": "ALIASES",
        "readers/weight_formats.py": "ALIASES",
    },
    "tests/catalogue/test_gpus.py goes through each row": {"catalogue/gpus.py": "SAID_BESIDE"},
    "tests/readers/test_weights.py holds each row against the gguf package": {
        "parameters/ggml_types.py": "BLOCKS",
        "readers/gguf/tensors.py": "TYPES",
    },
    "tests/readers/test_gguf.py holds each row against the gguf package": {
        "catalogue/gguf.py": "DTYPES",
        "readers/gguf/metadata.py": "NUMBERS",
    },
    "tests/engines/vllm/test_non_torch.py names each row that no start-up looks up": {
        "engines/vllm/budget/non_torch.py": (
            "BEFORE_FUSION FUSED GRAPHS_PROFILED ALL_CONSUMED ALWAYS WIDER"
        ),
    },
    "tests/charts/test_charts.py draws hours, minutes and seconds": {
        "charts/over_time.py": "UNITS"
    },
    "tests/engines/server/test_shell_words.py sums with each": {
        "engines/server/arithmetic.py": "OPERATORS"
    },
    "tests/engines/test_llama_cpp_weights.py weighs each": {
        "parameters/gguf_mixes.py": "CONVERTED",
        "engines/llama_cpp/weights.py": "PARTS:(EXPERTS,'experts')",
    },
    "tests/engines/test_lmdeploy.py has measured cases of each": {
        "engines/lmdeploy/settings.py": "POLICIES",
    },
    "tests/engines/test_sglang_start_up.py estimates each": {
        "engines/memory_outside.py": "OUTSIDE"
    },
    "tests/engines/test_sglang.py has measured cases of each": {
        "engines/sglang/compressed.py": "RING",
    },
    "tests/engines/test_sglang_refusals.py goes through each row": {
        "engines/sglang/formats.py": "FP4_BACKENDS",
    },
    "tests/readers/test_quantization.py reads each": {
        "readers/huggingface/quantization.py": "NAMES",
    },
    "tests/engines/server/test_writer.py writes a line past a model's maximum": {
        "engines/sglang/option_values.py": "TAKES:PAST_MAXIMUM",
        "engines/vllm/option_values.py": "TAKES:PAST_MAXIMUM",
    },
    "tests/engines/test_own_formats.py has a GPU and a release of each": {
        "engines/vllm/kernels.py": "ALIASES",
        "engines/vllm/sparse_backends.py": (
            "FLASHMLA_ALONE WITH_AITER FLASHINFER_ON_10 WITH_12 FLASHINFER_ON_9"
        ),
    },
    "tests/engines/vllm/test_oracles.py has measured cases of each": {
        "engines/vllm/compressed.py": "STATES",
    },
    "tests/engines/vllm/test_log_budget.py holds the pool against all of them": {
        "engines/vllm/log/budget.py": "TAKEN",
    },
    "tests/answers/test_replay.py has a line of each": {
        "readers/traces/requests.py": "FORMS:RUNS FORMS:SERVED",
    },
    "tests/readers/traces/test_traces.py has a file of each": {
        "readers/traces/source.py": "PACKED",
    },
    "tests/engines/test_memory.py has a GPU of each": {
        "engines/sglang/tiers.py": "SMALL_CHUNKS TIERS",
    },
    "tests/parameters/test_quantized_gguf.py goes through each row": {
        "parameters/gguf_mixes.py": "MIXES",
        "parameters/quantized_gguf.py": "NAMES OTHERWISE KEPT",
    },
    "how pictures look, in words of Vega and rich: tests draw some, and nobody can draw all": {
        "charts/theme.py": "SHAPES ON_LIGHT ON_DARK",
        "charts/parts.py": "BOLD",
        "outputs/plot/terminal.py": "COLOURS",
    },
    "tests/test_library.py imports each name from its home": {"__init__.py": "_HOMES"},
    CLASSES: {
        "layers/__init__.py": "KINDS",
        "engines/exllamav3/layer_rules.py": "KINDS",
        "engines/llama_cpp/layer_rules.py": "RULES",
        "engines/mlx/layer_rules.py": "RECURRENT KINDS",
        "engines/sglang/architectures.py": "KINDS",
        "readers/huggingface/kinds.py": "KINDS",
    },
    TITLES: {
        "outputs/workbook/about.py": "NOT_MODELLED",
        "outputs/workbook/formulas.py": "UNITS",
        "outputs/workbook/gpus.py": "FORMULAS",
        "outputs/workbook/layout.py": "MODELS ENGINES GPUS FORMULAS",
        "outputs/workbook/styles.py": "INPUT NOTE ANSWER TOP HEAD STYLES",
        "outputs/workbook/sweep.py": "COLUMNS",
        "outputs/workbook/workload.py": "COLUMNS NOTES",
    },
    "names of kvcalc's own: tests go by the line, the column or the formula behind each": {
        "engines/llama_cpp/log/cells.py": "LABELS",
        "engines/sglang/cost.py": "UNITS",
        "outputs/pages/check.py": "KNOWN",
        "outputs/web/encoded.py": "VARIABLES",
        "engines/sglang/formats.py": "SCALES",
        "engines/vllm/log/blocks.py": "PATTERNS:override RULES:override",
        "engines/llama_cpp/log/ollama.py": "PATTERNS RULES",
        "formula/target.py": "ARITHMETIC:at_most",
        "readers/traces/formats.py": "FORMATS",
        "answers/engines.py": "LEAST:ge MOST:le",
        "readers/huggingface/keys.py": "ALIASES:mamba_heads ALIASES:mamba_groups",
    },
    "parts of words and letters of patterns: tests have them in words and patterns": {
        "engines/server/model_overrides.py": "SHAPES",
        "engines/vllm/blocks.py": "ENDS_KEPT",
        "engines/vllm/settings.py": "SMALL_BATCH_GPUS",
        "readers/huggingface/encoder.py": "OF_BOTH",
        "readers/huggingface/types.py": "LETTERS",
        "readers/hub/ids.py": "_FILES",
    },
    "tests/engines/test_releases.py goes through each row": {
        "engines/vllm/releases.py": "CHANGES",
        "engines/vllm/model_types.py": "CAME",
    },
    "tests/engines/test_llama_cpp_versions.py goes through each row": {
        "engines/llama_cpp/releases.py": "ROWS"
    },
}
"""Why tables need no row by row look here: the tables by module."""


def keys(node: ast.expr) -> Iterator[str]:
    """The rows of a table, by the texts that name them; else by the key as it is written."""
    match node:
        case ast.Dict():
            for key, value in zip(node.keys, node.values, strict=True):
                yield from keys(value) if key is None else key_of(key)
        case ast.Set() | ast.Tuple() | ast.List():
            for row in node.elts:
                yield from row_of(row)
        case ast.BinOp():
            yield from (*keys(node.left), *keys(node.right))
        case ast.DictComp() | ast.SetComp():
            yield from keys(node.generators[0].iter)
        case ast.Call(func=ast.Name(id="names" | "_names")):
            yield from (word for text in texts(node.args[0]) for word in text.split())
        case ast.Call(func=ast.Name(id="frozenset" | "MappingProxyType" | "_values")):
            yield from (key for argument in node.args for key in keys(argument))
        case ast.Call(func=ast.Attribute(attr="fromkeys")):
            yield from keys(node.args[0])


class Written(str):
    """A key that is no text, as it is written: no word of a test tells that it was looked up."""

    __slots__ = ()

    def __new__(cls, key: ast.expr) -> "Written":
        return super().__new__(cls, ast.unparse(key).replace(" ", ""))


def key_of(key: ast.expr) -> list[str]:
    """What names the row of a key: its texts, but a tuple or a number as a whole."""
    named = [] if isinstance(key, ast.Tuple) else list(texts(key))
    return named or [Written(key)]


def row_of(row: ast.expr) -> list[str]:
    """What names a row of a list: its texts, else all of a record; a lone number is no row."""
    whole: list[str] = [Written(row)] if isinstance(row, ast.Call | ast.Tuple) else []
    return list(texts(row)) or whole


def texts(node: ast.expr) -> Iterator[str]:
    """The text of a key, or the first of a row that is a call or a tuple."""
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.Call(args=[first, *_]) | ast.Tuple(elts=[first, *_]):
            yield from texts(first)
        case ast.Starred(value=value):
            yield from keys(value)


def tables(module: ast.Module) -> Iterator[tuple[str, list[str]]]:
    for statement in module.body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                pass
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value):
                pass
            case _:
                continue
        if name.strip("_").isupper():
            yield name, list(keys(value))


def words(path: Path) -> set[str]:
    """What a file says: all of a data file, the texts and keywords of a test."""
    said = path.read_text(errors="ignore")
    if path.suffix == ".py":
        code = list(ast.walk(ast.parse(said)))
        documentation = {
            id(statement.value)
            for parent in code
            if isinstance(parent, ast.Module | ast.FunctionDef | ast.ClassDef)
            for statement in parent.body
            if isinstance(statement, ast.Expr)
        }
        said = "\n".join(
            str(node.value) if isinstance(node, ast.Constant) else str(node.arg)
            for node in code
            if isinstance(node, ast.Constant | ast.keyword) and id(node) not in documentation
        )
    return set(WORD.findall(said))


@cache
def files() -> list[tuple[frozenset[str], set[str]]]:
    """The engines that each file of the tests is about, all for published configs; its words."""
    found = []
    for path in (ROOT / "tests").rglob("*"):
        if path.suffix not in {".py", *DATA} or path.name in UNREAD:
            continue
        named = f"{path.relative_to(ROOT)} {path.read_text(errors='ignore')}".lower()
        about = (
            engine
            for engine, names in ENGINES.items()
            if "configs" in path.parts or any(name in named for name in names)
        )
        found.append((frozenset(about), words(path)))
    return found


@cache
def said(engine: str | None) -> frozenset[str]:
    """The words of all tests, or of those that name an engine and of published configs."""
    told = (words for about, words in files() if engine is None or engine in about)
    return frozenset().union(*told)


def unexercised(module: str, code: ast.Module) -> Iterator[str]:
    """Name the rows of a module's tables that no test exercises."""
    parts = Path(module).parts
    engine = next((part for part in parts if part in ENGINES and "engines" in parts), None)
    for table, rows in tables(code):
        exempt = {name for by in EXEMPT.values() for name in by.get(module, "").split()}
        for row in rows:
            exercised = not isinstance(row, Written) and set(WORD.findall(row)) <= said(engine)
            if not exempt & {table, f"{table}:{row}"} and not exercised:
                yield f"{table}[{row!r}]"


MODULES = sorted(str(path.relative_to(PACKAGE)) for path in PACKAGE.rglob("*.py"))


@each("module", MODULES)
def test_every_row_is_exercised(module: str) -> None:
    assert list(unexercised(module, tree(PACKAGE / module))) == []


def test_a_row_that_no_test_has_is_named() -> None:
    planted = 'ROWS = {"planted_row": 1, "context": 2}\nMORE = names("planted_word vllm")\n'
    planted += 'BY = {7: 1, ("context", 16): Row(1)}\nRECORDS = (Row(1), ("context", 2), 3)\n'
    found = [*unexercised("engines/vllm/planted.py", ast.parse(planted))]
    assert found == [
        *("ROWS['planted_row']", "MORE['planted_word']"),
        *("BY['7']", "BY[\"('context',16)\"]", "RECORDS['Row(1)']"),
    ]


def test_each_engine_that_has_a_folder_is_known_by_its_files() -> None:
    assert {row.folder.removeprefix("kvcalc.engines.") for row in ROWS.values()} == ENGINES.keys()


TEST = re.compile(r"tests/[\w/]+\.py")

PUBLIC = {
    "cli/help.py": "kvcalc.cli.app",
    "engines/sglang/compressed.py": "kvcalc",
    "engines/vllm/compressed.py": "kvcalc.engines.vllm.plan",
    "engines/vllm/sparse_backends.py": "kvcalc",
    "engines/vllm/weights/elements.py": "kvcalc.engines.vllm.weights",
    "outputs/web/document.py": "kvcalc",
    "readers/traces/requests.py": "kvcalc",
}
"""From where tests use a table that stands further behind it."""


def dotted(module: str) -> str:
    return ".".join(("kvcalc", *Path(module).with_suffix("").parts)).removesuffix(".__init__")


IMPORT = re.compile(r"^ *(?:from|import) (kvcalc[\w.]*)(?: import (\([^)]*\)|.*))?$", re.M)


@cache
def imported(path: Path) -> set[str]:
    """The modules that a file imports, and what it takes of them."""
    taken = IMPORT.findall(text(path))
    names = {f"{module}.{name}" for module, of in taken for name in re.findall(r"\w+", of)}
    return {module for module, _ in taken} | names


@cache
def users(own: str) -> set[str]:
    """The module itself, and those that import it."""
    _, _, name = own.rpartition(".")
    named = (one for one in MODULES if name in text(PACKAGE / one))
    return {own, *(dotted(one) for one in named if own in imported(PACKAGE / one))}


@each("why", [why for why in EXEMPT if TEST.search(why)])
def test_what_exempts_a_table_is_a_test_of_its_module_or_of_its_user(why: str) -> None:
    """A user imports the module; a part of an engine is asked for by its name, as `.server`."""
    tests = [ROOT / name for name in TEST.findall(why)]
    taken = {name for test in tests for name in imported(test)}
    taken |= {f".{name}" for test in tests for name in PARTS if f".{name}" in text(test)}
    for module in EXEMPT[why]:
        own = dotted(module)
        if not {own, PUBLIC.get(module, own)} & taken:
            parts = {f".{user.rpartition('.')[2]}" for user in users(own) if ".engines." in user}
            assert (users(own) | parts) & taken, module


def test_each_exemption_is_of_rows_that_are_there() -> None:
    for by in EXEMPT.values():
        for module, listed in by.items():
            there = {table for table, _ in tables(tree(PACKAGE / module))}
            assert {name.partition(":")[0] for name in listed.split()} <= there, module
