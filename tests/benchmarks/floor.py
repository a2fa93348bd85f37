"""The floor of start-up: a minimal program of kvcalc's parts, which kvcalc is measured against.

A typer app of as many commands (`start_up.py` checks that), one pydantic model of one field, one
rich table of one row.
"""

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.table import Table


class Answer(BaseModel):
    bytes: int


app = typer.Typer()


@app.command()
def show() -> None:
    table = Table("bytes")
    table.add_row(str(Answer(bytes=1).bytes))
    Console().print(table)


@app.command()
def second() -> None:
    raise NotImplementedError


@app.command()
def third() -> None:
    raise NotImplementedError


@app.command()
def fourth() -> None:
    raise NotImplementedError


if __name__ == "__main__":
    app()
