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


COMMANDS = 20

app = typer.Typer()


@app.command()
def show() -> None:
    table = Table("bytes")
    table.add_row(str(Answer(bytes=1).bytes))
    Console().print(table)


def another() -> None:
    raise NotImplementedError


for place in range(1, COMMANDS):
    app.command(f"another-{place}")(another)


if __name__ == "__main__":
    app()
