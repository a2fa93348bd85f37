"""Models that an engine caches by a class of their own: modelled here, or refused by name."""

from collections.abc import Iterable
from typing import NamedTuple

from kvcalc.errors import UnsupportedError, quote
from kvcalc.model import Model


class OwnCache(NamedTuple):
    """A file of an engine's models that makes caches of its own, and what kvcalc lacks of it.

    `model_types` are the types that the file is for, which are refused; `missing` says in a phrase
    what is not modelled, and is empty where the rules of its layers' kinds are enough.
    """

    file: str
    missing: str = ""
    model_types: tuple[str, ...] = ()


def require_modelled(engine: str, rows: Iterable[OwnCache], model: Model) -> None:
    """Refuse a model whose caches are of a class that is not modelled.

    Raises:
        UnsupportedError: it is one; the sentence names the type, the file and what is missing.
    """
    for row in rows:
        if model.model_type in row.model_types:
            raise UnsupportedError(
                f"{engine} keeps more of the model type {quote(model.model_type)} than is modelled "
                f"here: {row.missing} ({row.file})",
                engine=engine,
                what=f"model type {model.model_type}",
            )
