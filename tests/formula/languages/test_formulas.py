"""How formulas are written, by target and dialect; and what is refused."""

import json
import sqlite3

import duckdb
import numpy
import pandas
import polars
import pytest
import sqlglot
from syrupy.assertion import SnapshotAssertion

import kvcalc
from kvcalc.errors import KvcalcError
from kvcalc.formula.expression import cdiv, minimum, variable
from kvcalc.formula.formula import Formula
from kvcalc.formula.languages import sql
from kvcalc.formula.written import TARGETS, written
from tests.each import each

KEXAONE = kvcalc.load("k-exaone-236b-a23b")
VLLM = kvcalc.cost(KEXAONE, "vllm").formula
ALL = {name: name for name in ("context", "sequences", "window", "block_size")}


@pytest.mark.parametrize("target", TARGETS)
def test_what_people_see(target: str, snapshot: SnapshotAssertion) -> None:
    assert written(VLLM, target) == snapshot


@pytest.mark.parametrize("dialect", sql.DIALECTS)
def test_every_dialect_has_its_own_spelling(dialect: str, snapshot: SnapshotAssertion) -> None:
    assert written(VLLM, "sql", dialect=dialect, names=ALL) == snapshot


@each("dialect", sql.DIALECTS)
def test_every_dialect_is_one_expression_to_its_own_grammar(dialect: str) -> None:
    text = written(VLLM, "sql", dialect=dialect, names=ALL).text
    assert len(sqlglot.parse(f"SELECT {text} AS bytes FROM plan", read=dialect)) == 1


def test_a_column_that_is_null_gives_null() -> None:
    text = written(VLLM, "sql", names={"window": "w"}).text
    rows = "VALUES (NULL, 1, 128), (8192, NULL, 128), (8192, 1, NULL), (8192, 1, 128)"
    answers = duckdb.execute(f"SELECT {text} FROM ({rows}) AS t(context, sequences, w)").fetchall()
    assert answers == [(None,), (None,), (None,), (VLLM(8192),)]


def test_a_null_gives_null_in_polars_too() -> None:
    frame = polars.DataFrame({"context": [None, 8192, 8192], "w": [128, None, 128]})
    found = frame.with_columns(bytes=VLLM.polars(window="w"))
    assert found["bytes"].to_list() == [None, None, VLLM(8192)]


def test_narrow_columns_do_not_overflow() -> None:
    text = written(VLLM, "sql").text
    row = "SELECT 262144::INTEGER AS context, 1::TINYINT AS sequences"
    assert duckdb.execute(f"SELECT {text} FROM ({row})").fetchall()[0] == (15_322_054_656,)


def test_past_64_bits_duckdb_fails_rather_than_wraps() -> None:
    text = written(VLLM, "sql").text
    row = "SELECT 262144 AS context, 9000000000::BIGINT AS sequences"
    with pytest.raises(duckdb.OutOfRangeException):
        duckdb.execute(f"SELECT {text} FROM ({row})").fetchall()


@each(
    "name", ["ctx_len", "plan.ctx", "plan.order", "tokens in all", "select", "true", "all", "größe"]
)
def test_a_column_may_have_any_name(name: str) -> None:
    text = written(VLLM, "sql", names={"context": name}).text
    column = name.rpartition(".")[2]
    query = f'SELECT {text} FROM (SELECT 8192 AS "{column}", 1 AS sequences) AS plan'
    assert duckdb.execute(query).fetchall()[0] == (VLLM(8192),)


@pytest.mark.parametrize("name", ["ctx_len", "order", "tokens in all"])
def test_a_column_that_is_not_there_is_no_number_in_sqlite(name: str) -> None:
    text = written(VLLM, "sql", dialect="sqlite", names={"context": name}).text
    with pytest.raises(sqlite3.OperationalError, match=f"no such column: {name}"):
        sqlite3.connect(":memory:").execute(f"SELECT {text} FROM (SELECT 1 AS sequences)")


@each(
    ("dialect", "column"),
    [
        ("duckdb", '"plan"."Order"'),
        ("postgres", '"plan"."Order"'),
        ("sqlite", "`plan`.`Order`"),
        ("bigquery", "`plan`.`Order`"),
        ("snowflake", '"PLAN"."Order"'),
        ("mysql", "`plan`.`Order`"),
    ],
)
def test_a_word_means_what_it_does_without_quotes(dialect: str, column: str) -> None:
    text = written(VLLM, "sql", dialect=dialect, names={"context": "plan.Order"}).text
    assert f"CAST({column} AS " in text


def test_a_number_that_is_divided_is_as_wide_as_a_column() -> None:
    formula = Formula(cdiv(163, variable("context")) + 163 // variable("context"), {"sequences": 1})
    text = written(formula, "sql", dialect="clickhouse").text
    assert "intDiv(CAST(163 AS Nullable(Int64)), CAST(context AS Nullable(Int64)))" in text


@each(
    ("target", "names", "sentence"),
    [
        ("sql", {"context": 'a"; DROP TABLE plan; --'}, "expected a column's name"),
        ("sql", {"context": "a\x1b[1m"}, "expected a column's name"),
        ("sql", {"context": ""}, "expected a column's name"),
        ("excel", {"context": "B2)+CMD("}, "expected a cell as B2 or a defined name"),
        ("excel", {"context": ""}, "expected a cell as B2 or a defined name"),
        ("excel", {"context": "true"}, "expected a cell as B2 or a defined name"),
        ("python", {"context": "__import__('os')"}, "expected an identifier"),
        ("python", {"context": "lambda"}, "expected an identifier"),
        ("python", {"context": "min"}, "expected an identifier"),
        ("numpy", {"context": "numpy"}, "expected an identifier"),
        ("numpy", {"context": "sequences"}, "found 'sequences' for two variables"),
        ("js", {"context": "alert(1)"}, "expected an identifier"),
        ("js", {"context": "await"}, "expected an identifier"),
        ("js", {"context": "max"}, "expected an identifier"),
        ("vega", {"context": "a\n"}, "expected printable text"),
        ("sql", {"colour": "x"}, "'colour' is not in this formula; it has context"),
        ("jq", {}, "target 'jq' is unknown; known are text, excel"),
    ],
)
def test_names_are_never_more_than_names(target: str, names: dict[str, str], sentence: str) -> None:
    with pytest.raises(KvcalcError) as caught:
        written(VLLM, target, names=names)
    assert sentence in str(caught.value)


@each(("most", "rounded_down"), [(2**40, False), (2**40 - 1, True)])
def test_a_dividend_is_rounded_down_where_it_may_be_negative(most: int, rounded_down: bool) -> None:
    """BigInt rounds to 0; a context of up to 2^40 tokens is reckoned with."""
    formula = Formula((most - variable("context")) // 16, {"sequences": 1})
    assert ("%" in written(formula, "js").text) == rounded_down


def test_a_dialect_is_sqls_alone() -> None:
    with pytest.raises(KvcalcError, match="dialect 'oracle' is unknown; known are duckdb"):
        written(VLLM, "sql", dialect="oracle")
    with pytest.raises(KvcalcError, match="found 'spark', but excel has no dialects"):
        written(VLLM, "excel", dialect="spark")


def test_a_table_column_may_stand_for_a_variable() -> None:
    names = {"context": "plan[[#This Row],[context]]", "sequences": "'My plan'!$C$2"}
    assert "plan[[#This Row],[context]]" in written(VLLM, "excel", names=names).text


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        (7 // (variable("context") - 1), "divides by what may be less than 1"),
        (cdiv(7, minimum(variable("context"), 5) - 5), "divides by what may be less than 1"),
    ],
)
def test_a_division_by_0_is_refused(expression: object, sentence: str) -> None:
    with pytest.raises(KvcalcError, match=sentence):
        written(Formula(expression, {"sequences": 1}), "sql")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("expression", "sentence"),
    [
        (2**53 * variable("context") + 1, r"past 2\^53 from the first token on"),
        ((2**50 + variable("context")) // 16, r"divides more than 2\^47 from the first token on"),
        # Dividing by 7, so that a quotient is rounded up, adds 6 to what is divided.
        ((2**47 - 6) * variable("context") // 7, r"divides more than 2\^47"),
    ],
)
def test_a_spreadsheet_refuses_what_no_double_holds(expression: object, sentence: str) -> None:
    with pytest.raises(KvcalcError, match=sentence):
        written(Formula(expression, {"sequences": 1}), "excel")  # type: ignore[arg-type]


def test_vega_refuses_what_no_double_holds() -> None:
    with pytest.raises(KvcalcError, match=r"past 2\^53 from the first token on"):
        written(Formula(2**53 * variable("context"), {"sequences": 1}), "vega")


@pytest.mark.parametrize("name", ["plan.ctx", "tokens in all", 'a"] + datum["b', "größe"])
def test_a_field_may_have_any_name_in_vega(name: str) -> None:
    text = written(VLLM, "vega", names={"context": name}).text
    assert f"datum[{json.dumps(name)}]" in text


@pytest.mark.parametrize(
    ("expression", "text"),
    [
        (2**53 * variable("context"), "=(9007199*1000000000 + 254740992)*context"),
        ((2**47 - 7) * variable("context") // 7, "=INT(140737488355321*context/7)"),
    ],
)
def test_a_spreadsheet_takes_what_a_double_just_holds(expression: object, text: str) -> None:
    assert written(Formula(expression, {"sequences": 1}), "excel").text == text  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("number", "text"),
    [
        (10**15 - 1, "=context + 999999999999999"),
        (10**15, "=context + (1000000*1000000000 + 0)"),
        (10**15 + 7, "=context + (1000000*1000000000 + 7)"),
    ],
)
def test_a_number_of_more_than_15_digits_is_a_sum_to_a_spreadsheet(number: int, text: str) -> None:
    assert written(Formula(variable("context") + number, {"sequences": 1}), "excel").text == text


def test_a_cells_limit_is_kept() -> None:
    value = variable("context")
    for number in range(2_000):
        value = minimum(value + number * 7, 10**6 + number) + 1  # type: ignore[assignment]
        if number == 200:
            break
    long = value
    for _ in range(6):
        long = long + minimum(long, 3)  # type: ignore[assignment]
    with pytest.raises(KvcalcError, match="characters, expected at most the 8,192"):
        written(Formula(long, {"sequences": 1}), "excel")


def test_json_names_are_not_needed_for_constants() -> None:
    assert "window" not in written(VLLM, "sql").text
    assert json.loads(json.dumps(written(VLLM, "text").text)).endswith("* sequences")


@pytest.mark.parametrize("dtype", ["int32", "uint32", "Int32"])
def test_numpy_counts_in_64_bits_whatever_it_is_given_and_takes_no_fraction(dtype: str) -> None:
    function = eval(written(VLLM, "numpy").text, {"numpy": numpy})
    frame = pandas.DataFrame(
        {"context": [8192, 262144], "sequences": [64, 3]}, ["a", "b"], dtype=dtype
    )
    found = function(frame["context"], frame["sequences"])
    assert (found.to_list(), list(found.index)) == (
        [VLLM(8192, sequences=64), VLLM(262144, sequences=3)],
        ["a", "b"],
    )
    with pytest.raises(TypeError):
        function(frame["context"].astype("float64"), 1)
