"""The catalogue of models: presets, which are TOML files, each fact with its source."""

import tomllib
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from kvcalc.catalogue.source import MAX_FILE_BYTES, Source, folder, require_sources
from kvcalc.errors import KvcalcError, SourceError, quote
from kvcalc.files import read_bytes
from kvcalc.frozen import Frozen
from kvcalc.layers import layer
from kvcalc.layers.layer import Size
from kvcalc.model import Model, Text, repeated

Ratio = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,8}/[1-9][0-9]{0,8}$")]
"""An exact fraction, as "129/100"."""


class Preset(Frozen):
    """A preset file: a model whose layers are a pattern of letters, and its facts' sources.

    `pattern` is repeated, and cut, to `num_layers`; its letters name the tables of `layers`.
    `token_gains` is how much more text a token holds than one of a predecessor, by language, an
    exact fraction: an average over the authors' corpora.
    """

    name: Text
    hub_id: Text | None = None
    model_type: Text | None = None
    parameters: Size | None = None
    active_parameters: Size | None = None
    dtype: Text = "bfloat16"
    weights_dtype: Text | None = None
    max_context: Size | None = None
    num_nextn_predict_layers: Size | None = None
    contexts: tuple[Size, ...] = ()
    windows: tuple[Size, ...] = ()
    token_gains: dict[Text, dict[Text, Ratio]] | None = None
    num_layers: Size
    pattern: Annotated[str, Field(min_length=1)]
    layers: dict[str, dict[str, Any]]
    sources: tuple[Source, ...]

    @model_validator(mode="after")
    def _every_fact_has_a_source(self) -> Self:
        facts = [{fact} for fact in self.model_fields_set - {"name", "layers", "sources"}]
        for letter, table in self.layers.items():
            letter = f"layers.{letter}"
            facts += [{f"{letter}.{field}", letter, "layers"} for field in table if field != "kind"]
        require_sources(facts, self.sources)
        return self

    def model(self) -> Model:
        """The model that the file describes."""
        facts = self.model_dump(include=set(Model.model_fields) - {"layers"}, exclude_unset=True)
        kinds = {}
        for letter, table in self.layers.items():
            try:
                kinds[letter] = layer(table)
            except KvcalcError as error:
                raise SourceError(f"layers.{letter}: {error}") from None
        return Model(layers=repeated(self.pattern, kinds, self.num_layers), **facts)


def parse(path: Path) -> Preset:
    """Read what a preset file says, its layers unmade.

    Raises:
        KvcalcError: as `read`.
    """
    try:
        table = tomllib.loads(read_bytes(path, MAX_FILE_BYTES).decode())
    except (ValueError, RecursionError) as error:
        raise SourceError(
            f"{quote(str(path))}: not TOML ({quote(str(error))})", source=str(path)
        ) from None
    try:
        return Preset(**table)
    except KvcalcError as error:
        raise SourceError.of(path, error) from None


def key(name: str) -> str:
    """The name by which presets are matched: without case and without `org/`."""
    return name.lower().rpartition("/")[2]


def find(name: str) -> Path | None:
    """The file of the preset of that name or Hub id, if there is one."""
    if name.count("/") > 1 or name.startswith((".", "/")):
        return None
    if key(name) in names():
        return folder() / f"{key(name)}.toml"
    if "/" in name:
        line = f'hub_id = "{name.lower()}"\n'
        for path in folder().glob("*.toml"):
            if line in path.read_text("utf-8").lower():
                return path
    return None


def names() -> list[str]:
    """The presets' names, in order."""
    return sorted(path.stem for path in folder().glob("*.toml"))
