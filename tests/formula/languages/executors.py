"""Formulas executed for real, in each language that they are written in."""

import json
import sqlite3
import subprocess
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb
import numpy
import openpyxl
import polars

from kvcalc.formula.expression import Value
from kvcalc.formula.languages import excel, javascript, python, sql, vega
from kvcalc.formula.languages import numpy as numpy_target
from kvcalc.formula.languages import polars as polars_target
from tests.outputs.workbook.office import Office, Typed
from tests.programs import missing, program

Row = Mapping[str, int]
Answers = list[int | None]
"""The answers of rows, None where a formula has no value."""


def same(names: Sequence[str]) -> dict[str, str]:
    return {name: name for name in names}


def by_python(value: Value, names: Sequence[str], rows: Sequence[Row]) -> Answers:
    function = eval(python.written(value, same(names), None).text)
    taken = function.__code__.co_varnames
    return [function(*(row[name] for name in taken)) for row in rows]


def by_numpy(value: Value, names: Sequence[str], rows: Sequence[Row]) -> Answers:
    function = eval(numpy_target.written(value, same(names), None).text, {"numpy": numpy})
    taken = function.__code__.co_varnames
    columns = [[row[name] for row in rows] for name in taken]
    arrays = [numpy.array(column, numpy.min_scalar_type(max(column))) for column in columns]
    answer = numpy.ma.array(function(*arrays)).tolist()
    return answer if isinstance(answer, list) else [answer] * len(rows)


def by_polars(value: Value, names: Sequence[str], rows: Sequence[Row]) -> Answers:
    text = polars_target.written(value, same(names), None).text
    frame = polars.DataFrame([dict(row) for row in rows])
    answer = frame.with_columns(answer=eval(text, {"pl": polars}) + polars.lit(0, polars.Int64))
    return answer["answer"].to_list()


def by_duckdb(value: Value, names: Sequence[str], rows: Sequence[Row]) -> Answers:
    text = sql.written(value, same(names), "duckdb").text
    columns = ", ".join(names)
    values = ", ".join(f"({', '.join(str(row[name]) for name in names)})" for row in rows)
    query = f"SELECT {text} FROM (VALUES {values}) AS rows({columns})"
    return [row[0] for row in duckdb.execute(query).fetchall()]


def by_sqlite(value: Value, names: Sequence[str], rows: Sequence[Row]) -> Answers:
    text = sql.written(value, same(names), "sqlite").text
    connection = sqlite3.connect(":memory:")
    connection.execute(f"CREATE TABLE rows({', '.join(names)})")
    marks = ", ".join("?" for _ in names)
    connection.executemany(
        f"INSERT INTO rows VALUES({marks})", [[row[name] for name in names] for row in rows]
    )
    return [row[0] for row in connection.execute(f"SELECT {text} FROM rows").fetchall()]


IN_PROCESS: dict[str, Callable[[Value, Sequence[str], Sequence[Row]], Answers]] = {
    "Python": by_python,
    "NumPy": by_numpy,
    "Polars": by_polars,
    "DuckDB": by_duckdb,
    "SQLite": by_sqlite,
}


def by_node(values: Sequence[Value], names: Sequence[str], rows: Sequence[Row]) -> list[Answers]:
    """Run all formulas over all rows in one process."""
    functions = ",\n".join(
        f"(row) => ({javascript.written(value, same(names), None).text})"
        f"({', '.join(f'row[{json.dumps(name)}]' for name in names if _has(value, name))})"
        for value in values
    )
    script = f"""
const rows = {json.dumps([{name: str(row[name]) for name in names} for row in rows])}
  .map((row) => Object.fromEntries(Object.entries(row).map(([k, v]) => [k, BigInt(v)])));
const functions = [{functions}];
console.log(JSON.stringify(functions.map((f) => rows.map((row) => f(row)?.toString() ?? null))));
"""
    run = subprocess.run(
        [program("node"), "-"], input=script, capture_output=True, text=True, check=False
    )
    assert run.returncode == 0, run.stderr
    return [
        [None if amount is None else int(amount) for amount in answers]
        for answers in json.loads(run.stdout)
    ]


VEGA = "vega-expression@6.2.2"
"""Vega's own parser and compiler of expressions, as npm has it."""


@cache
def _vega() -> "TemporaryDirectory[str]":
    """Install Vega's expressions, once for all tests of a process, whose end removes them."""
    folder = TemporaryDirectory(prefix="kvcalc-vega-")
    quick = ("--silent", "--no-audit", "--no-fund", "--prefer-offline")
    command = [program("npm"), "install", *quick, VEGA]
    ran = subprocess.run(command, cwd=folder.name, capture_output=True, text=True, timeout=120)
    return missing(f"{VEGA} could not be installed: {ran.stderr}") if ran.returncode else folder


def by_vega(values: Sequence[Value], names: Sequence[str], rows: Sequence[Row]) -> list[Answers]:
    """Run all formulas over all rows in one process, compiled by Vega."""
    texts = [vega.written(value, same(names), None).text for value in values]
    module = Path(_vega().name, "node_modules", "vega-expression", "build", "vega-expression.js")
    script = f"""
import {{codegenExpression, parseExpression}} from {json.dumps(module.as_uri())};
const rows = {json.dumps(rows)};
const compile = codegenExpression({{allowed: ["datum"], globalvar: "none", fieldvar: "datum"}});
const functions = {json.dumps(texts)}.map(
  (text) => new Function("datum", `return ${{compile(parseExpression(text)).code}}`));
console.log(JSON.stringify(functions.map((f) => rows.map((row) => f(row)))));
"""
    node = [program("node"), "--input-type=module", "-"]
    run = subprocess.run(node, input=script, capture_output=True, text=True, check=False)
    assert run.returncode == 0, run.stderr
    found: list[Answers] = json.loads(run.stdout)
    return found


def _has(value: Value, name: str) -> bool:
    from kvcalc.formula.expression import variables_of

    return name in variables_of(value)


def by_libreoffice(
    values: Sequence[Value], names: Sequence[str], rows: Sequence[Row], office: Office, folder: Path
) -> list[Answers]:
    """Recalculate all formulas over all rows in one workbook: a row each, then its formulas."""
    book = openpyxl.Workbook()
    sheet = book.worksheets[0]
    for number, row in enumerate(rows, 1):
        cells = {
            name: f"{openpyxl.utils.get_column_letter(place)}{number}"
            for place, name in enumerate(names, 1)
        }
        formulas = [excel.written(value, cells, None).text for value in values]
        sheet.append([*(row[name] for name in names), *formulas])
    book.save(folder / "formulas.xlsx")
    ((found,),) = office.recalculated([Typed(folder / "formulas.xlsx", ["Sheet!"])])
    shown = found["Sheet"]
    return [
        [
            None if (answer := shown[row, column]) == "#N/A" else int(answer)
            for row in range(1, len(rows) + 1)
        ]
        for column in range(len(names) + 1, len(names) + len(values) + 1)
    ]
