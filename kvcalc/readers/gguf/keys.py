"""The keys of one architecture in GGUF metadata, which are checked and remembered when read."""

import re
from collections.abc import Mapping
from typing import Any

from kvcalc.catalogue.gguf import DESCRIBES_LAYERS, FREE
from kvcalc.catalogue.gguf_keys import CANNOT_MATTER, READ
from kvcalc.errors import SourceError, quote
from kvcalc.layers.layer import MAX_SIZE
from kvcalc.model import MAX_LAYERS


class Keys:
    """The keys under an architecture's prefix; `layers` is the number of layers of the trunk."""

    def __init__(self, metadata: Mapping[str, Any], architecture: str) -> None:
        self.architecture = architecture
        self._prefix = f"{architecture}."
        self._values = metadata
        self._read: set[str] = set()
        blocks = self.size("decoder_block_count") or self.required("block_count")
        self.layers = blocks - self.size("nextn_predict_layers", 0)
        self._read.add(f"{self._prefix}block_count")
        if not 1 <= self.layers <= MAX_LAYERS:
            raise self.error("block_count", blocks, f"1 to {MAX_LAYERS:,} layers before NextN's")

    @property
    def origins(self) -> dict[str, str]:
        """The keys that were read so far, as the file writes them."""
        found = sorted(self._read & self._values.keys())
        return {key.removeprefix(self._prefix): f"key {key}" for key in found}

    def error(self, key: str, found: object, expected: str) -> SourceError:
        """Say what was found at a key and what was expected."""
        what = "nothing" if found is None else quote(found)
        return SourceError(f"{quote(self._prefix + key, 120)}: found {what}, expected {expected}")

    def get(self, key: str) -> Any:
        """A key's value as it stands; None if the key is absent."""
        self._read.add(self._prefix + key)
        return self._values.get(self._prefix + key)

    def size(self, key: str, default: int = 0) -> int:
        """A number."""
        found = self.get(key)
        return default if found is None else self._size(key, found)

    def required(self, key: str) -> int:
        """A number above 0; the key must be there."""
        return self.size(key) or self._absent(key)

    def sizes(self, key: str, default: int = 0) -> list[int]:
        """One number per layer; the file gives one for all, or an array."""
        found = self.get(key)
        if not isinstance(found, list):
            return [self.size(key, default)] * self.layers
        return [self._size(key, item) for item in self._trunk(key, found)]

    def flags(self, key: str) -> list[bool] | None:
        """The flags of the trunk's layers; None if the key does not hold an array."""
        found = self.get(key)
        if not isinstance(found, list):
            return None
        return [bool(self._size(key, item)) for item in self._trunk(key, found)]

    def owners(self, key: str) -> list[bool] | None:
        """Which layers have something of their own: flags, or the words "full" and "shared"."""
        found = self.get(key)
        if not isinstance(found, list) or not all(isinstance(item, str) for item in found):
            return self.flags(key)
        if strange := [word for word in found if word not in ("full", "shared")]:
            raise self.error(key, strange[0], "full or shared")
        return [word == "full" for word in self._trunk(key, found)]

    def refuse_unread(self) -> None:
        """Refuse a key that describes layers but was not read."""
        for key, value in self._values.items():
            name = key.removeprefix(self._prefix)
            if key in self._read or name == key:
                continue
            if name in CANNOT_MATTER or re.match(FREE, name):
                continue
            if isinstance(value, list) or re.search(DESCRIBES_LAYERS, name):
                strange = "" if name in READ else ", by a key that llama.cpp does not know"
                raise SourceError(
                    f"{quote(key, 120)}: describes layers in a way that is not known of the "
                    f"architecture {quote(self.architecture)}{strange}"
                )

    def _trunk(self, key: str, found: list[Any]) -> list[Any]:
        if len(found) < self.layers:
            raise self.error(key, f"{len(found)} items", f"one for each of {self.layers:,} layers")
        return found[: self.layers]

    def _size(self, key: str, found: object) -> int:
        if not isinstance(found, int) or not 0 <= found <= MAX_SIZE:
            raise self.error(key, found, f"a whole number of 0 to {MAX_SIZE}")
        return int(found)

    def _absent(self, key: str) -> int:
        raise self.error(key, self.get(key), "a number above 0")
