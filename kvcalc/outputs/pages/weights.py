"""How many bytes weights take, and where that figure comes from, in one note."""

from collections import Counter
from collections.abc import Mapping

from kvcalc.engines.weights import Loaded
from kvcalc.readers.weights import Weights


def weights_note(weights: Weights, loaded: Loaded | None = None, engine: str = "") -> str:
    """Say how large the weights are, by which source, and what a GPU has of them.

    `loaded` is what the `engine` loads on a GPU, where that is known part by part.
    """
    if loaded is None:
        return (
            f"{_whole(weights)}, divided evenly; what an engine copies to every rank is not "
            "modelled."
        )
    places = [f"on a GPU, as {engine} loads them: {_listed(loaded.parts)}"]
    if host := dict(Counter(loaded.host).most_common()):
        places.append(f"in main memory: {_listed(host)}")
    if loaded.note:
        places.append(loaded.note)
    return f"{_whole(weights)}; {'; '.join(places)}."


def weights_of_engines(weights: Weights) -> str:
    """Say how large the weights are that several engines load, each in its own way."""
    return f"{_whole(weights)}; on a GPU, as each engine loads them, else an even share."


def _listed(parts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {size:,}" for name, size in parts.items() if size) or "none"


def _whole(weights: Weights) -> str:
    of_type = f" of {weights.dtype}" if weights.dtype else ""
    return f"weights: {weights.bytes:,} bytes, {weights.source}{of_type}"
