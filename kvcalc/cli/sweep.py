"""`kvcalc sweep`: contexts by windows, and by models, engines and element types."""

from typing import Annotated

import typer

from kvcalc.cli.amounts import amounts
from kvcalc.cli.axes import table, write
from kvcalc.cli.context import ContextOptions
from kvcalc.cli.grouped import grouped
from kvcalc.cli.options import AxesOptions, ModelsOptions
from kvcalc.cli.output import OutputOptions
from kvcalc.cli.server_line import ServerOptions


@grouped
def sweep(
    models: ModelsOptions,
    axes: AxesOptions,
    server: ServerOptions,
    counted: ContextOptions,
    output: OutputOptions,
    context: Annotated[
        list[str] | None,
        typer.Option(
            "-c", "--context", "--max-model-len", help="Contexts: 8K,32K or 8K..256K; repeatable."
        ),
    ] = None,
    sequences: Annotated[
        list[str] | None,
        typer.Option(
            "-n",
            "--sequences",
            "--parallel",
            help="Sequences at once, as 1,16; repeatable.  [default: 1]",
        ),
    ] = None,
    window: Annotated[
        list[str] | None,
        typer.Option("-w", "--window", help="Sliding windows, as 4096,128; repeatable."),
    ] = None,
) -> None:
    """Cache memory for each context and window; by default, the model's own.

    kvcalc sweep k-exaone-236b-a23b -c 8K,256K -w 4096,128

    kvcalc sweep qwen3-32b -e llama.cpp -d f16,q8_0,q4_0 -c 8K..64K
    """
    wanted = server.of_several(models, axes, context, sequences)
    windows = amounts(window, "--window")
    rows = table(models, wanted, counted, context, sequences, windows, usual=lambda model: {})
    write(rows, output)
