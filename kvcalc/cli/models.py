"""`kvcalc models`: the presets."""

from kvcalc.answers.models import models as answer
from kvcalc.cli.grouped import grouped
from kvcalc.cli.output import OutputOptions
from kvcalc.outputs.pages.models import models_page


@grouped
def models(output: OutputOptions) -> None:
    """List the presets: the models that kvcalc knows by name.

    kvcalc models

    kvcalc models -o models.csv
    """
    rows = answer()
    output.write_rows(rows, lambda: models_page(rows))
