"""The sources of models, one file each; `read` finds the one that a name asks for."""

from collections.abc import Iterable
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path, PureWindowsPath
from typing import TYPE_CHECKING

from kvcalc.catalogue import models
from kvcalc.errors import RequestError, SourceError, quote
from kvcalc.model import Model
from kvcalc.readers import preset
from kvcalc.readers.reading import Reading

if TYPE_CHECKING:
    from kvcalc.readers.hub import HubId


def load(source: str | Path) -> Model:
    """Read a model: a preset's name, a config.json or its folder, a .gguf file, or a Hub id.

    Presets match regardless of case, with or without `org/`, and come before the Hub. A preset's
    name with `.gguf` means that preset if there is no such file.

    Raises:
        RequestError: there is no such model.
        SourceError: the model cannot be read; the sentence says why.
        MissingExtraError: the Hub is needed, and kvcalc[hub] is not installed.
    """
    return read(source).model


def read(source: str | Path) -> Reading:
    """Read a model as `load` does, and say where each fact came from.

    Raises:
        KvcalcError: as `load`.
    """
    text = str(source)
    path = Path(text)
    found = _preset(text, path)
    if found is not None:
        said = "is a preset of kvcalc, and was used" if "/" in text else ""
        if path.suffix == ".gguf":
            said = "is not a file here: the preset of that name was used"
        return replace(preset.read(found), notes=(f"{quote(text)} {said}",) if said else ())
    if path.suffix == ".toml":
        return preset.read(path)
    if text and _exists(path):
        return _read_file(path)
    from kvcalc.readers import hub

    if (hub_id := hub.parse(text)) is not None:
        return _read_hub(hub_id)
    near = get_close_matches(models.key(text), models.names(), n=3, cutoff=0.5)
    hint = f"did you mean {', '.join(near)}" if near else "`kvcalc models` lists the presets"
    raise RequestError(
        f"model {quote(text)} is unknown; {hint}",
        field="model",
        found=text,
        expected="a preset that `kvcalc models` lists, a file or a Hub id",
    )


def read_all(
    models: str | Path | Model | Iterable[str | Path | Model],
) -> list[tuple[str, Reading]]:
    """Read one model or several, each once, with the text that named it: "" for a `Model`.

    Raises:
        KvcalcError: as `load`; or there is none.
    """
    sources = [models] if isinstance(models, str | Path | Model) else list(models)
    if not sources:
        raise RequestError.about("models", "found none", found=[], expected="at least one")
    return [
        ("", Reading(one, one.name, {})) if isinstance(one, Model) else (one, read(one))
        for one in dict.fromkeys(one if isinstance(one, Model) else str(one) for one in sources)
    ]


def _preset(text: str, path: Path) -> Path | None:
    """Find the preset of a name, of a Hub id, or of a GGUF file's name if there is no such file.

    A file of a line may lie in a folder of the machine that the server runs on.
    """
    if ("/" in text or path.suffix == ".gguf") and _exists(path):
        return None
    return models.find(PureWindowsPath(text).stem if path.suffix == ".gguf" else text)


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name too long for any file
        return False


def _read_file(path: Path) -> Reading:
    """Read a config.json, a model's folder or a .gguf file."""
    if path.is_file() and path.suffix == ".gguf":
        from kvcalc.readers import gguf

        return gguf.read(path)
    if path.is_dir() and not (path / "config.json").exists():
        from kvcalc.readers import folders

        raise folders.refusal(path)
    from kvcalc.readers import huggingface

    return huggingface.read(path)


def _read_hub(hub_id: "HubId") -> Reading:
    """Read a model on the Hub: its config.json, or a GGUF file's metadata by ranges."""
    reading = _read_repository(hub_id)
    at = "@".join(filter(None, (hub_id.repository, hub_id.revision)))
    name = ":".join(filter(None, (at, hub_id.quantisation)))
    return replace(reading, model=reading.model.model_copy(update={"hub_id": name}))


def _read_repository(hub_id: "HubId") -> Reading:
    from kvcalc.readers import gguf, hub, huggingface
    from kvcalc.readers.huggingface.quantization import BESIDE

    unknown: list[str] = []

    def beside() -> Path | None:
        try:
            return hub.fetch_config(hub_id, BESIDE)
        except hub.NoConfigError:
            return None
        except SourceError as error:
            unknown.append(f"whether {BESIDE} stands beside config.json is not known: {error}")
            return None

    if not hub_id.quantisation:
        try:
            config = hub.fetch_config(hub_id)
            found = huggingface.read(config, name=hub_id.repository, fetch=beside)
            return replace(found, notes=(*found.notes, *unknown))
        except hub.NoConfigError:
            pass
    with hub.open_gguf(hub_id) as stream:
        return gguf.read_stream(stream, stream.name)
