"""A file that starts a server: a script, a compose file, a Kubernetes manifest, or settings.

Of YAML each container, or model of llama-swap, becomes the `docker run` that would start it, and
each setting of a file of settings, or of sections of them, a flag. The command line's reader reads
these; nothing is ever run.
"""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from kvcalc.errors import SourceError
from kvcalc.readers import llama_swap, yaml_documents

MOST_BYTES = 1_000_000
MOST_DEEP = 40
"""Mappings and lists inside each other, far past any manifest's."""

YAML = (".yaml", ".yml")
SCRIPTS = (".sh", ".bash", ".bat", ".ps1", ".cmd")

MODEL = ("model", "model_tag", "model-path", "model_path")
"""Keys of which a file of a server's own settings has one."""


def names_a_file(text: str) -> bool:
    """Whether a text is a file of commands by its name, or by an @ before it."""
    return text.startswith("@") or (
        Path(text).suffix.lower() in (*YAML, *SCRIPTS) and len(text.split()) == 1
    )


def read(text: str) -> str:
    """Read the commands of a file that `names_a_file` found.

    Raises:
        SourceError: it cannot be read, is too large, or holds no container.
        MissingExtraError: it is YAML, and the extra kvcalc[yaml] is not installed.
    """
    path = Path(text.removeprefix("@"))
    try:
        with path.open("rb") as file:
            found = file.read(MOST_BYTES + 1)
    except OSError as error:
        raise SourceError.of(path, error.strerror or "cannot be read") from None
    is_yaml = path.suffix.lower() in YAML
    most = yaml_documents.MOST_BYTES if is_yaml else MOST_BYTES
    if len(found) > most:
        raise SourceError.of(path, f"found more than {most:,} bytes")
    content = found.decode(errors="replace")
    return "\n".join(_lines(path, content)) if is_yaml else content


def _lines(path: Path, content: str) -> list[str]:
    documents = yaml_documents.documents(path, content)
    for document in documents:
        if isinstance(document, dict) and isinstance(document.get("model"), dict):
            return [" ".join(_flags(document))]
    swapped = [one for document in documents for one in llama_swap.containers(path, document)]
    if swapped:
        return [_line(one) for one in swapped]
    containers = [one for document in documents for one in _containers(document, MOST_DEEP)]
    if containers:
        return [_line(one) for one in containers]
    for document in documents:
        if isinstance(document, dict) and any(isinstance(document.get(key), str) for key in MODEL):
            return [" ".join(_arguments(document))]
    raise SourceError.of(
        path, "found no container with an image or a command, and no settings with a model"
    )


def _arguments(settings: dict[str, Any]) -> Iterator[str]:
    """Write a server's settings as its arguments, as vLLM and SGLang do of the file of --config.

    What is false is said: vLLM 0.33.0, utils/argparse_utils.py (load_config_file).
    """
    yield from _flags({"": settings})
    yield from (f"--no-{key}" for key, value in settings.items() if value is False)


def _containers(value: Any, deep: int) -> Iterator[dict[str, Any]]:
    """Find the tables that say what a container runs, wherever they stand."""
    if deep < 0:
        return
    if isinstance(value, dict):
        if any(isinstance(value.get(key), str | list) for key in ("image", "command", "args")):
            yield value
            return
        inner: Any = value.values()
    else:
        inner = value if isinstance(value, list) else ()
    for one in inner:
        yield from _containers(one, deep - 1)


def _line(container: dict[str, Any]) -> str:
    """Write the docker run of a container, of compose's keys or of Kubernetes'."""
    kubernetes = "args" in container or isinstance(container.get("env"), list)
    entry = container.get("command" if kubernetes else "entrypoint")
    words = container.get("args" if kubernetes else "command")
    environment = container.get("env" if kubernetes else "environment")
    image = container.get("image")
    parts = ["docker run", *(f"-e {_quoted(pair)}" for pair in _environment(environment))]
    if entry:
        parts.append("--entrypoint ''")
    parts.append(_quoted(str(image)) if image else "container")
    return " ".join([*parts, *_words(entry), *_words(words)])


def _flags(sections: dict[str, Any]) -> Iterator[str]:
    """Write the settings of each section as arguments; one that is false or empty is not said."""
    for section in sections.values():
        for key, value in section.items() if isinstance(section, dict) else ():
            if value is None or value is False or value in ([], {}):
                continue
            yield f"--{key}"
            if value is not True:
                yield from map(_scalar, value if isinstance(value, list) else [value])


def _scalar(value: Any) -> str:
    return _quoted(json.dumps(value, default=str) if isinstance(value, dict | list) else str(value))


def _environment(value: Any) -> Iterator[str]:
    """Take variables as a table, as A=b, or as Kubernetes' names and values."""
    if isinstance(value, dict):
        yield from (f"{name}={one}" for name, one in value.items() if one is not None)
    for one in value if isinstance(value, list) else ():
        if isinstance(one, str):
            yield one
        elif isinstance(one, dict) and "value" in one:
            yield f"{one.get('name')}={one['value']}"


def _words(value: Any) -> list[str]:
    """Take a list's words apart, or a text as a shell would, lines and all."""
    if isinstance(value, list):
        return [_quoted(str(one)) for one in value]
    return [] if value is None else [re.sub(r"\\?\n", " ", str(value))]


def _quoted(word: str) -> str:
    """Quote a word so that a shell still puts variables in, as compose does."""
    escaped = word.replace("\\", "\\\\").replace('"', '\\"').replace("`", "\\`")
    return f'"{escaped}"'
