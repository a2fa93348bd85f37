"""The note on a model's weights, beside figures that include them."""

from kvcalc.readers.weights import Weights


def weights_note(weights: Weights) -> str:
    """Say how large the weights are, by which source, and what is not modelled."""
    of_type = f" of {weights.dtype}" if weights.dtype else ""
    return (
        f"weights: {weights.bytes:,} bytes, {weights.source}{of_type}, divided evenly; what an "
        "engine copies to every rank is not modelled."
    )
