"""The options of the question: the model, and the engine with its settings."""

from collections.abc import Iterator, Set
from typing import Annotated, Any

import typer

from kvcalc import engines, readers
from kvcalc.cli.completion import among, dtypes, models, settings
from kvcalc.cli.grouped import Options
from kvcalc.cli.warnings import note_on_stderr
from kvcalc.errors import RequestError, quote
from kvcalc.model import Model
from kvcalc.units import parse_tokens

GPU = "The GPU, as h200 (see kvcalc gpus); the engine's defaults depend on it."
"""What --gpu means, on every command that has it."""


class OneModel(Options):
    """The model, by name."""

    model: Annotated[
        str | None,
        typer.Argument(
            help="A preset's name, a file, a folder or a Hub id.",
            autocompletion=models,
            show_default=False,
        ),
    ] = None


class SeveralModels(Options):
    """The models, by name."""

    model: Annotated[
        list[str] | None,
        typer.Argument(
            help="Presets' names, files, folders or Hub ids.",
            autocompletion=models,
            show_default=False,
        ),
    ] = None


SHAPE = {"layers": "--layers", "kv_heads": "--kv-heads", "head_dim": "--head-dim"}
"""What a shape must say, and the option of each."""


class ShapeOptions(Options):
    """A model by shape."""

    layers: Annotated[int | None, typer.Option(help="Layers of a shape, instead of a model.")] = (
        None
    )
    pattern: Annotated[
        str | None, typer.Option(help="Layer types, repeated: L sliding, G global.  [default: G]")
    ] = None
    kv_heads: Annotated[int | None, typer.Option(help="KV heads per layer.")] = None
    head_dim: Annotated[int | None, typer.Option(help="Elements per head.")] = None
    v_head_dim: Annotated[
        int | None, typer.Option(help="Elements per value head, if they differ.")
    ] = None
    dtype: Annotated[str | None, typer.Option(help="Element type of the model.")] = None
    max_context: Annotated[str | None, typer.Option(help="Longest context of the model.")] = None

    @property
    def shape(self) -> dict[str, Any]:
        """The options of a shape."""
        return {name: value for name, value in self.values().items() if name != "model"}


class ModelOptions(ShapeOptions, OneModel):
    """The model, by name or by shape."""

    def load(self, window: int | None) -> Model:
        """Read the model, or make it from its shape and the window asked for."""
        shape = {name: value for name, value in self.shape.items() if value is not None}
        if self.model is not None and shape:
            option = "--" + next(iter(shape)).replace("_", "-")
            raise RequestError.about(
                option, "found beside a model; give a model or a shape, not both"
            )
        if self.model is not None:
            reading = readers.read(self.model)
            for note in reading.notes:
                note_on_stderr(note)
            return reading.model
        missing = [option for name, option in SHAPE.items() if name not in shape]
        if missing:
            lacking = ", ".join(missing)
            why = (
                f"the shape lacks {lacking}" if shape else f"give a model, or a shape by {lacking}"
            )
            raise RequestError.about("MODEL", f"missing; {why}")
        if "max_context" in shape:
            shape["max_context"] = parse_tokens(shape["max_context"], "--max-context")
        from kvcalc.readers.shape import from_shape

        return from_shape(**shape, window=window)


class ModelsOptions(ShapeOptions, SeveralModels):
    """The models, by name, or one by shape."""

    def each(self, window: int | None, *, keep: bool = False) -> Iterator[tuple[str | None, Model]]:
        """Read each model, with the text that named it; a shape has none.

        A model takes the window, unless its own are kept; a shape is made of it.
        """
        sources: list[str | None] = [*(self.model or ())]
        for source in sources or [None]:
            model = ModelOptions(model=source, **self.shape).load(window)
            yield source, model if window is None or keep else model.with_window(window)


KEYWORDS = """
among blocks columns context decode_rate dialect engine files gpu_memory gpus memory model names on
per_gpu prefill_rate prefix prompts_only reserve sequences settings since skip_bad target time_unit
until weights window
"""
OWN_OPTIONS = frozenset(KEYWORDS.split())
"""Keywords of the answers that are options of a command, and no settings of an engine."""


class OtherSettings(Options):
    """Settings of an engine by --set, or by an option of their own."""

    max_num_seqs: Annotated[
        int | None,
        typer.Option("--max-num-seqs", hidden=True),
    ] = None
    max_running_requests: Annotated[
        int | None, typer.Option("--max-running-requests", hidden=True)
    ] = None
    set: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="Any setting (kvcalc engines NAME); the engine's own flags work, too.",
            autocompletion=settings,
        ),
    ] = None

    strict_version: Annotated[
        bool, typer.Option("--strict-version", help="Refuse a release that was not measured.")
    ] = False

    engine_flag: Annotated[list[str] | None, typer.Option("--engine-flag", hidden=True)] = None

    @property
    def own(self) -> dict[str, Any]:
        """The settings that have an option of their own."""
        return {
            "max_num_seqs": self.max_num_seqs,
            "max_running_requests": self.max_running_requests,
            "strict_version": self.strict_version or None,
        }

    @property
    def flags(self) -> list[list[str]]:
        """Flags of engines' servers, each with its values, that stood among the options."""
        if self.engine_flag is None:
            return []
        from shlex import split

        return [split(text) for text in self.engine_flag]

    def settings(self, own: Set[str] = OWN_OPTIONS, **beside: Any) -> dict[str, Any]:
        """The settings, as keywords of an answer.

        `beside` are settings from the command's other options; `own` are the answer's other
        keywords, which are never settings.

        Raises:
            RequestError: a setting is given twice, or --set names a keyword of `own`.
        """
        given = self.given(**beside)
        if taken := own & given.keys():
            name = min(taken)
            raise RequestError.about(
                "--set", f"found {name}", found=name, expected="a setting of an engine"
            )
        return given

    def given(self, **beside: Any) -> dict[str, Any]:
        """All that is given, by name, whether or not an engine has such a setting.

        Raises:
            RequestError: a name is given twice, or --set is not NAME=VALUE.
        """
        given: dict[str, Any] = {}
        for pair in self.set or []:
            name, equals, value = pair.partition("=")
            if not equals:
                raise RequestError.of("--set", pair, "name=value")
            name = name.replace("-", "_").lower()
            if name in given:
                raise RequestError.about("--set", f"{quote(name)} is given twice", found=name)
            given[name] = value
        for name, option in {**self.own, **beside}.items():
            if option is not None:
                if name in given:
                    raise RequestError.about(
                        "--set", f"{name} is given by its own option too; give one"
                    )
                given[name] = option
        return given


class SettingsOptions(OtherSettings):
    """Settings of an engine: those that every engine has by an option each, too."""

    kv_cache_dtype: Annotated[
        str | None,
        typer.Option(
            "-d",
            "--kv-cache-dtype",
            help="Element type of the cache: bf16, fp8, int8, q8_0 ...  [default: the model's]",
            autocompletion=dtypes,
        ),
    ] = None
    tensor_parallel_size: Annotated[
        int | None,
        typer.Option("--tp", "--tensor-parallel-size", help="GPUs that share each layer."),
    ] = None

    @property
    def own(self) -> dict[str, Any]:
        """The settings that have an option of their own."""
        return {
            "kv_cache_dtype": self.kv_cache_dtype,
            "tensor_parallel_size": self.tensor_parallel_size,
            **super().own,
        }


class EngineOptions(SettingsOptions):
    """The engine and its settings."""

    engine: Annotated[
        str,
        typer.Option(
            "-e",
            "--engine",
            help=f"{', '.join(engines.ENGINES)}; or a release: vllm@0.25.1.",
            autocompletion=among(lambda: list(engines.ENGINES)),
        ),
    ] = "ideal"


class AxesOptions(OtherSettings):
    """The engines, element types and ranks, several of which make a table."""

    engine: Annotated[
        list[str] | None,
        typer.Option(
            "-e",
            "--engine",
            help=f"{', '.join(engines.ENGINES)}; or a release: vllm@0.25.1; several with "
            "commas.  [default: ideal]",
            autocompletion=among(lambda: engines.ENGINES),
        ),
    ] = None
    kv_cache_dtype: Annotated[
        list[str] | None,
        typer.Option(
            "-d",
            "--kv-cache-dtype",
            help="Element types of the cache: bf16, fp8, int8, q8_0 ...  [default: the model's]",
            autocompletion=dtypes,
        ),
    ] = None
    tensor_parallel_size: Annotated[
        list[str] | None,
        typer.Option("--tp", "--tensor-parallel-size", help="GPUs that share each layer, as 1,8."),
    ] = None

    @property
    def own(self) -> dict[str, Any]:
        """The settings that have an option of their own; a list where several are given."""
        typed = {
            "kv_cache_dtype": items(self.kv_cache_dtype),
            "tensor_parallel_size": items(self.tensor_parallel_size),
        }
        several = {name: one if len(one) > 1 else one[0] for name, one in typed.items() if one}
        return {**several, **super().own}

    @property
    def sizes(self) -> list[int]:
        """How many engines, element types and ranks are given."""
        typed = (self.engine, self.kv_cache_dtype, self.tensor_parallel_size)
        return [len(items(one)) for one in typed]

    @property
    def names(self) -> list[str]:
        """The engines, as they are typed."""
        return items(self.engine) or ["ideal"]


def items(texts: list[str] | None) -> list[str]:
    """Take lists with commas apart."""
    return [item.strip() for text in texts or () for item in text.split(",")]
