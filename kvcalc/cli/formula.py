"""`kvcalc formula`: the formula, written for a spreadsheet, a query or a program."""

from typing import Annotated

import typer

from kvcalc.answers.formula import write_formula
from kvcalc.cli.amounts import amount
from kvcalc.cli.completion import among, dialects
from kvcalc.cli.grouped import grouped
from kvcalc.cli.options import EngineOptions, ModelOptions
from kvcalc.cli.output_file import FileOptions
from kvcalc.cli.pairs import named
from kvcalc.cli.server_line import ServerOptions
from kvcalc.cli.warnings import note_on_stderr
from kvcalc.formula.written import TARGETS
from kvcalc.outputs.write import write

ENDINGS = {".txt": "text", ".sql": "sql", ".py": "python", ".js": "js", ".tex": "latex"}
"""The endings of files, and the language that each means."""


@grouped
def formula(
    model: ModelOptions,
    engine: EngineOptions,
    server: ServerOptions,
    file: FileOptions,
    target: Annotated[
        str | None,
        typer.Option(
            "--as",
            metavar="|".join(TARGETS),
            help="The language.  [default: by -o, else text]",
            autocompletion=among(lambda: TARGETS),
        ),
    ] = None,
    dialect: Annotated[
        str | None,
        typer.Option(
            help="SQL dialect: duckdb, postgres, sqlite, bigquery, spark, snowflake, clickhouse.",
            autocompletion=dialects,
        ),
    ] = None,
    name: Annotated[
        list[str] | None,
        typer.Option(
            metavar="VARIABLE=NAME", help="Cell or column of a variable, as context=B2; repeatable."
        ),
    ] = None,
    window: Annotated[
        str | None, typer.Option("-w", "--window", help="Sliding window, in tokens.")
    ] = None,
    per_gpu: Annotated[
        bool, typer.Option("--per-gpu", help="Bytes on the fullest GPU, not on all.")
    ] = False,
) -> None:
    """Write the memory as a formula, for a spreadsheet, a query or a program.

    kvcalc formula k-exaone-236b-a23b -e vllm --as excel --name context=B2 --name sequences=C2

    kvcalc formula k-exaone-236b-a23b --as sql --dialect postgres
    """
    said = file.form(ENDINGS)
    wanted = server.request(model, engine)
    tokens = amount(window, "--window")
    chosen = wanted.model.load(tokens)
    found = write_formula(
        chosen,
        target or said or "text",
        engine=wanted.engine,
        window=tokens,
        dialect=dialect,
        names=named(name or (), "--name", "variable=name"),
        per_gpu=per_gpu,
        **wanted.settings,
    )
    write(f"{found.text}\n", file.output)
    note_on_stderr(found.exact)
