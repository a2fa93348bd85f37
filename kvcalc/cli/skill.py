"""`kvcalc skill`: a SKILL.md for agents."""

from kvcalc.answers.skill import skill as answer
from kvcalc.cli.grouped import grouped
from kvcalc.cli.output_file import FileOptions
from kvcalc.outputs.write import write


@grouped
def skill(file: FileOptions) -> None:
    """Write a SKILL.md for agents: the questions, the commands and the fields of their JSON.

    kvcalc skill -o SKILL.md

    kvcalc skill
    """
    file.form({".md": "md"})
    write(answer(), file.output)
