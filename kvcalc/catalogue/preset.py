"""What a preset file may say: a model, and the source of each of its facts."""

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, model_validator

from kvcalc.catalogue.folder import read_table
from kvcalc.catalogue.source import Source, require_sources
from kvcalc.checkpoint import CacheScheme, ConfigFacts
from kvcalc.errors import KvcalcError, RequestError, SourceError, quote
from kvcalc.frozen import Frozen, Text
from kvcalc.layers import layer
from kvcalc.layers.layer import Size
from kvcalc.model import Model, ParameterCount, repeated
from kvcalc.parameters.quantization import Quantization
from kvcalc.parameters.sizes import Sizes

Ratio = Annotated[str, Field(pattern=r"^[1-9][0-9]{0,8}/[1-9][0-9]{0,8}$")]
"""An exact fraction, as "129/100"."""


class Preset(Frozen):
    """A preset file: a model whose layers are a pattern of letters, and its facts' sources.

    `pattern` is repeated, and cut, to `num_layers`; its letters name the tables of `layers`, and so
    do those of `mtp_pattern`, one per layer of MTP to which the authors give a type of its own.
    `token_gains` is how much more text a token holds than one of a predecessor, by language, as an
    exact fraction: an average over the authors' corpora.
    """

    name: Text
    hub_id: Text | None = None
    model_type: Text | None = None
    parameters: ParameterCount | None = None
    active_parameters: ParameterCount | None = None
    dtype: Text = "bfloat16"
    weights_dtype: Text | None = None
    cache_scheme: CacheScheme | None = None
    config_facts: ConfigFacts | None = None
    max_context: Size | None = None
    num_nextn_predict_layers: Size | None = None
    mtp_pattern: Annotated[str, Field(min_length=1, max_length=1000)] | None = None
    contexts: tuple[Size, ...] = ()
    windows: tuple[Size, ...] = ()
    token_gains: dict[Text, dict[Text, Ratio]] | None = None
    num_layers: Size
    pattern: Annotated[str, Field(min_length=1)]
    layers: dict[str, dict[str, Any]]
    sizes: Sizes | None = None
    quantization: Quantization | None = None
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
        drafting = {letter: kinds.get(letter) for letter in self.mtp_pattern or ""}
        if unknown := [letter for letter, found in drafting.items() if found is None]:
            raise RequestError.about(
                "mtp_pattern",
                f"found the letter {quote(unknown[0])}",
                found=unknown[0],
                expected="one of layers",
            )
        return Model(
            layers=repeated(
                self.pattern,
                {
                    letter: kinds[letter]
                    for letter in kinds
                    if letter in self.pattern or letter not in drafting
                },
                self.num_layers,
            ),
            mtp_layers=tuple(kinds[letter] for letter in self.mtp_pattern or ""),
            **facts,
        )


def parse(path: Path) -> Preset:
    """Read what a preset file says, without making its layers.

    Raises:
        SourceError: it cannot be read, is not TOML, or is not a preset; the sentence names the
            file and the key.
    """
    table = read_table(path)
    try:
        return Preset(**table)
    except KvcalcError as error:
        raise SourceError.of(path, error) from None
