"""The documents of a YAML file, of bounded size: also of what its aliases stand for."""

from pathlib import Path
from typing import Any

from kvcalc.errors import MissingExtraError, SourceError

MOST_BYTES = 2**18
"""What Python's YAML parser reads in some seconds."""

MOST_NODES = 50_000
"""Keys, values and items of a document, those that an alias stands for counted each time: a few
lines of aliases may stand for more than any memory holds."""


class _RecursiveError(Exception):
    """An alias stands within what it stands for."""


def documents(path: Path, content: str) -> list[Any]:
    """Read the documents of a file's content; no tag is obeyed but YAML's own.

    Raises:
        MissingExtraError: the extra kvcalc[yaml] is not installed.
        SourceError: it is not YAML, or larger than is read.
    """
    try:
        import yaml
    except ImportError:
        raise MissingExtraError.of("reading YAML needs", "yaml") from None
    found = []
    try:
        loader = yaml.SafeLoader(content)
        while loader.check_node():
            node = loader.get_node()
            nodes = _expanded(node, {})
            if nodes > MOST_NODES:
                raise SourceError.of(
                    path, f"found {nodes:,} keys and values, expected at most {MOST_NODES:,}"
                )
            found.append(loader.construct_document(node))
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        raise SourceError.of(path, f"not YAML from line {line} on") from None
    except (yaml.YAMLError, RecursionError, ValueError, _RecursiveError):
        raise SourceError.of(path, "not YAML") from None
    return found


def _expanded(node: Any, counted: dict[int, int | None]) -> int:
    """Count a node and those in it, by their identity, as often as they stand there.

    Raises:
        _RecursiveError: it stands in itself.
    """
    identity = id(node)
    if identity in counted:
        known = counted[identity]
        if known is None:
            raise _RecursiveError
        return known
    counted[identity] = None
    inner = node.value if isinstance(node.value, list) else ()
    total = 1
    for one in inner:
        total += sum(
            _expanded(part, counted) for part in (one if isinstance(one, tuple) else [one])
        )
    counted[identity] = total
    return total
