"""Flags by which an engine loads other weights than the model's files hold."""

from collections.abc import Mapping
from typing import Any, Self

from kvcalc.errors import RequestError, quote
from kvcalc.model import Model
from kvcalc.records import Record

OTHER_FORMAT = "it stores the weights in another format than their files"
OTHER_TYPE = "it runs the model in another element type than its files'"
BESIDE_ANOTHER = f"{OTHER_TYPE}, beside a cache of another"
OTHER_SHARE = "it changes how much of the weights the GPUs hold"

AS_STORED = ("0", "0.0", "-1", "auto", "hf", "none", "None", "null")
"""Values with which such a flag changes nothing."""


class Loading(Record):
    """Such a flag on a line: its value ("" for a switch), and how it changes the weights."""

    flag: str
    value: str
    reason: str

    def require_counted(self, model: Model, size: str | None, weights_dtype: str | None) -> None:
        """Require that the weights are given as the flag makes them: their size, or their format.

        A quantised checkpoint is loaded in its own format or not at all.

        Raises:
            RequestError: neither says so.
        """
        of_format = self.reason in (OTHER_FORMAT, BESIDE_ANOTHER)
        as_given = size is not None or (of_format and weights_dtype is not None)
        in_its_own = of_format and model.quantization is not None
        if self.reason == OTHER_TYPE and (model.tensors or weights_dtype is not None):
            return  # each tensor is counted in that type (vllm/weights, sglang/weights.py)
        if as_given or in_its_own or self.value in AS_STORED:
            return
        give = "--weights 240GB" + (", or --weights-dtype" if self.reason != OTHER_SHARE else "")
        raise RequestError(
            f"{quote(str(self))}: {self.reason}, which kvcalc does not count; give {give}",
            field=self.flag,
            found=self.value,
        )

    @classmethod
    def wide(cls, value: str, settings: Mapping[str, Any]) -> Self:
        """A --dtype of 32 bits.

        Engines' rules know of it by a cache of that type, but not beside one of another type.
        """
        told = settings.get("kv_cache_dtype") == value
        return cls("--dtype", value, OTHER_TYPE if told else BESIDE_ANOTHER)

    def __str__(self) -> str:
        return f"{self.flag} {self.value}".rstrip()
