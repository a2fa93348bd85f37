"""`kvcalc gpus`: the catalogue of GPUs."""

from kvcalc.answers.gpus import gpus as answer
from kvcalc.cli.grouped import grouped
from kvcalc.cli.output import OutputOptions
from kvcalc.outputs.pages.gpus import gpus_page


@grouped
def gpus(output: OutputOptions) -> None:
    """The GPUs that kvcalc knows by name; of any other give its memory (--gpu-memory 141GB).

    kvcalc gpus
    """
    rows = answer()
    output.write_rows(rows, lambda: gpus_page(rows))
