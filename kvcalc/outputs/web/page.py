"""A page that answers by itself, written to a file."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from kvcalc.answers.page import PagePlan, plan
from kvcalc.errors import RequestError, quote
from kvcalc.model import Model
from kvcalc.outputs.web.document import document
from kvcalc.outputs.write import refuse_to_overwrite
from kvcalc.readers import read_all
from kvcalc.scratch import replacing


def page(
    models: str | Path | Model | Iterable[str | Path | Model],
    output: str | Path,
    *,
    engine: str | Iterable[str] = (),
    context: int | None = None,
    sequences: int = 1,
    window: int | None = None,
    force: bool = False,
    command: str = "kvcalc.page",
    **given: Any,
) -> PagePlan:
    """Write a page of live figures to `output`, one .html file that needs no network.

    `models` are models, or as for `kvcalc.load`; engines are all unless some are named. The page
    starts with the first of each, with `context` and `window` in tokens (the model's own unless
    given). Settings are given as to `kvcalc.sweep`: several element types and ranks are choices of
    the page. It names `command` as what made it.

    Raises:
        KvcalcError: as `kvcalc.load`; or the file exists without `force`, an engine or a setting
            is not known, there are too many combinations, or no engine accepts its own.
    """
    path = Path(output)
    if path.suffix.lower() not in (".html", ".htm"):
        named = f"output {quote(str(path), 300)}"
        raise RequestError.about(
            "output", named=named, found=path.suffix, expected="a name that ends in .html"
        )
    refuse_to_overwrite(path, force)
    planned = plan(
        read_all(models),
        engine=[engine] if isinstance(engine, str) else engine,
        context=context,
        sequences=sequences,
        window=window,
        command=command,
        version=_version(),
        **given,
    )
    with replacing(path) as part:
        part.write_text(document(planned), encoding="utf-8", newline="\n")
    return planned


def _version() -> str:
    from importlib.metadata import version

    return version("kvcalc")
