"""Lists of windows, one per layer: 0 or null means that a layer sees the whole context.

EXAONE-MoE has one list for its layers and one for those of MTP (vLLM 0.33.0,
model_executor/models/exaone_moe.py); a list under another name is read the same way.
"""

from kvcalc.errors import SourceError, quote
from kvcalc.readers.huggingface.keys import Keys

KEYS = ("sliding_windows", "layer_window_sizes", "sliding_window_sizes", "sliding_window")
"""The keys that may hold such a list."""


def windows_of(keys: Keys, layers: int, prefix: str = "") -> tuple[int, ...] | None:
    """Read the list of windows of this many layers, in tokens; None without such a list.

    Raises:
        SourceError: it is not one window per layer, or stands under two names and differs.
    """
    found = {
        f"{prefix}{key}": tuple(_window(f"{prefix}{key}", item) for item in listed)
        for key in KEYS
        if isinstance(listed := keys.table.get(f"{prefix}{key}"), list)
    }
    for key, windows in found.items():
        if len(windows) != layers:
            raise SourceError(
                f"{key}: found {len(windows)} windows, expected one a layer, {layers}"
            )
        keys.origins["sliding_window"] = f"key {key}"
    if len(set(found.values())) > 1:
        raise SourceError(f"{' and '.join(found)}: found other windows in one than in the other")
    return next(iter(found.values()), None)


def _window(key: str, item: object) -> int:
    if item is None:
        return 0
    if type(item) is not int or item < 0:
        raise SourceError(f"{key}: found {quote(item)}, expected a window in tokens, 0 or null")
    return item
