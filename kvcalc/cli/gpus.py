"""`kvcalc gpus`: the catalogue of GPUs."""

from kvcalc.answers.gpus import gpus as answer
from kvcalc.cli.grouped import grouped
from kvcalc.cli.output import OutputOptions
from kvcalc.outputs.pages.gpus import gpus_page


@grouped
def gpus(output: OutputOptions) -> None:
    """List the GPUs that kvcalc knows by name; for any other, give its --gpu-memory.

    kvcalc gpus

    kvcalc gpus -o gpus.csv
    """
    rows = answer()
    output.write_rows(rows, lambda: gpus_page(rows))
