"""`kvcalc skill`: a SKILL.md for agents."""

from pathlib import Path
from typing import Annotated

import typer

from kvcalc.answers.skill import skill as answer
from kvcalc.outputs.write import write


def skill(
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write to this file, not to stdout.")
    ] = None,
) -> None:
    """Write a SKILL.md for agents: the questions, the commands and the fields of their JSON.

    kvcalc skill -o SKILL.md
    """
    write(answer(), output)
