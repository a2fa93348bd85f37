"""How a checkpoint's weights are stored: the format of each linear, and what is kept as it was.

A linear of `rows` by `columns` takes, beside its elements, the scales of its format; `LINEAR` has
the bytes as files hold them (vLLM 0.33.0, model_executor/layers/quantization, as created).
"""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field

from kvcalc.errors import UnsupportedError, quote
from kvcalc.frozen import Frozen
from kvcalc.layers.layer import Size
from kvcalc.parameters.sizes import tuples
from kvcalc.parameters.tensor import Role, Tensor

Format = Literal[
    "fp8_block", "fp8_channel", "fp8_tensor", "int4", "awq", "gptq", "nvfp4", "w4a16_nvfp4", "mxfp4"
]
"""Formats of a linear: 8 bits with a scale for a block, a row or all; 4 bits with one for a group,
and with zero points (AWQ, GPTQ) or without."""

Pattern = Annotated[str, Field(min_length=1, max_length=1000)]


class Quantization(Frozen):
    """A checkpoint's quantisation.

    `method` is its name in the file. `format` is that of linears, None where it is not known;
    `group_size` is elements that share a scale, and both sides of a block. Modules that one of the
    patterns of `kept` matches are as they were; `named` are those with a format of their own. With
    a `format` that only `named` modules have, `named_alone` is set.
    """

    method: Annotated[str, Field(min_length=1, max_length=200)]
    format: Format | None = None
    group_size: Size | None = None
    kept: Annotated[tuple[Pattern, ...], Field(max_length=10**5)] = ()
    named: Annotated[tuple[tuple[Pattern, Format], ...], Field(max_length=10**5)] = ()
    named_alone: bool = False

    def format_of(
        self, tensor: Tensor, place: int | None, *, beside_mlp: bool = False
    ) -> Format | None:
        """The format of a tensor in a layer; None where it is kept as it was.

        Experts may stand beside the layer's dense MLP, not within it.

        Raises:
            UnsupportedError: it is not known.
        """
        if tensor.role not in MODULES:
            return None
        known = self._formats
        alike = tensor.role, place, beside_mlp
        if alike not in known:
            known[alike] = self._found(*alike)
        found = known[alike]
        if found == UNKNOWN:
            raise UnsupportedError.of(
                "weights", f"how {quote(self.method)} stores them here is not known"
            )
        return found

    def formats_of(
        self, tensor: Tensor, *, beside_mlp: bool = False
    ) -> "Mapping[Format | None, Sequence[int | None]]":
        """The places of a tensor by its format there, which is one where it is in no layer.

        Raises:
            UnsupportedError: one is not known.
        """
        if (tensor, beside_mlp) not in self._places:
            places: dict[Format | None, list[int | None]] = {}
            for place in tensor.layers or (None,):
                kind = self.format_of(tensor, place, beside_mlp=beside_mlp)
                places.setdefault(kind, []).append(place)
            self._places[tensor, beside_mlp] = places
        return self._places[tensor, beside_mlp]

    @cached_property
    def _places(
        self,
    ) -> "dict[tuple[Tensor, bool], Mapping[Format | None, Sequence[int | None]]]":
        """Places that were asked for before: a workbook asks on every kind of GPU."""
        return {}

    @cached_property
    def _formats(self) -> "dict[tuple[Role, int | None, bool], Format | Literal['unknown'] | None]":
        """Formats that were asked for before: names are matched once."""
        return {}

    @cached_property
    def _by_name(self) -> "dict[str, Format]":
        """The named modules' formats, by patterns that are names or parts of one."""
        return {pattern: own for pattern, own in reversed(self.named) if not _is_wide(pattern)}

    @cached_property
    def _wide(self) -> tuple[tuple["re.Pattern[str]", Format | None], ...]:
        """Patterns that mean several names: those of named modules first, the kept ones in one."""
        named = [(_expression([pattern]), own) for pattern, own in self.named if _is_wide(pattern)]
        return (*named, (_expression(filter(_is_wide, self.kept)), None))

    @cached_property
    def _kept_names(self) -> frozenset[str]:
        return frozenset(pattern for pattern in self.kept if not _is_wide(pattern))

    @cached_property
    def _steps(self) -> frozenset[int]:
        """How many steps the names and parts of one have."""
        return frozenset(name.count(".") + 1 for name in (*self._by_name, *self._kept_names))

    def _found(
        self, role: Role, place: int | None, beside_mlp: bool
    ) -> "Format | Literal['unknown'] | None":
        names = list(_names(role, place))
        if beside_mlp:
            names = [name.replace("mlp.experts", "experts") for name in names]
        paths = {path for name in names for path in _paths(name, self._steps)}
        for path in paths & self._by_name.keys():
            return self._by_name[path]
        wide = [own for pattern, own in self._wide if any(map(pattern.match, names))]
        if wide and wide[0] is not None:
            return wide[0]
        alone = self.named_alone or role in ALONE
        if alone or wide or paths & self._kept_names:
            return None
        return self.format or UNKNOWN


def known_quantization(table: Mapping[str, Any]) -> Quantization:
    """Make one of a table that was checked before, as one of kvcalc's own presets was."""
    return Quantization.model_construct(**tuples(table))


UNKNOWN: Literal["unknown"] = "unknown"

MODULES: Mapping[Role, tuple[str, ...]] = {
    "q": ("self_attn.q_proj", "mixer.q_proj"),
    "k": ("self_attn.k_proj", "mixer.k_proj"),
    "v": ("self_attn.v_proj", "mixer.v_proj"),
    "o": ("self_attn.o_proj", "mixer.o_proj"),
    "q_a": ("self_attn.q_a_proj",),
    "q_b": ("self_attn.q_b_proj",),
    "kv_a": ("self_attn.kv_a_proj_with_mqa",),
    "kv_b": ("self_attn.kv_b_proj",),
    "kv": ("self_attn.kv_proj",),
    "o_a": ("self_attn.o_a_proj",),
    "o_b": ("self_attn.o_b_proj",),
    "index_q": ("self_attn.indexer.wq_b",),
    "gate": ("mlp.gate_proj",),
    "up": ("mlp.up_proj", "mixer.up_proj"),
    "down": ("mlp.down_proj", "mixer.down_proj"),
    "expert_gate_up": ("mlp.experts.0.gate_proj",),
    "expert_up": ("mlp.experts.0.up_proj", "mixer.experts.0.up_proj"),
    "expert_down": ("mlp.experts.0.down_proj", "mixer.experts.0.down_proj"),
    "shared_gate": ("mlp.shared_experts.gate_proj", "mlp.shared_expert.gate_proj"),
    "shared_up": (
        *("mlp.shared_experts.up_proj", "mlp.shared_expert.up_proj"),
        "mixer.shared_experts.up_proj",
    ),
    "shared_down": (
        *("mlp.shared_experts.down_proj", "mlp.shared_expert.down_proj"),
        "mixer.shared_experts.down_proj",
    ),
    "delta_qkv": ("linear_attn.in_proj_qkv", "linear_attn.in_proj_qkvz"),
    "delta_z": ("linear_attn.in_proj_z", "linear_attn.in_proj_qkvz"),
    "delta_b": ("linear_attn.in_proj_b", "linear_attn.in_proj_ba"),
    "delta_a": ("linear_attn.in_proj_a", "linear_attn.in_proj_ba"),
    "recurrent_out": ("linear_attn.out_proj", "mixer.out_proj"),
    "ssm_in": ("mixer.in_proj",),
    "lm_head": ("lm_head",),
}
"""The names of the linears that may be quantised, within their layer; others are kept."""

ALONE: frozenset[Role] = frozenset({"lm_head"})
"""Linears that are quantised only where they are named."""

ROOTS: tuple[str, ...] = (
    "model.layers.{}.",
    "model.language_model.layers.{}.",
    "language_model.model.layers.{}.",
    "backbone.layers.{}.",
)
"""What stands before a layer's module in its name."""


def _names(role: Role, place: int | None) -> Iterator[str]:
    for module in MODULES[role]:
        if place is None:
            yield from (module, f"language_model.{module}")
        else:
            yield from (root.format(place) + module for root in ROOTS)


def _is_wide(pattern: str) -> bool:
    return pattern.startswith("re:") or "*" in pattern


def _paths(name: str, counts: Iterable[int]) -> Iterator[str]:
    """A name and its parts: so many of what stands between its dots."""
    steps = name.split(".")
    for count in counts:
        for start in range(len(steps) - count + 1):
            yield ".".join(steps[start : start + count])


def _expression(patterns: Iterable[str]) -> "re.Pattern[str]":
    """One expression for regular expressions and globs; one that is not valid finds nothing."""
    from fnmatch import translate

    found = [r"(?!)"]
    for pattern in patterns:
        if not pattern.startswith("re:"):
            found += translate(pattern), translate(f"{pattern}.*")
        elif _is_valid(pattern[3:]):
            found.append(f"(?:{pattern[3:]})")
    return re.compile("|".join(found))


def _is_valid(expression: str) -> bool:
    try:
        re.compile(expression)
    except re.error:
        return False
    return True


def ceil_div(size: int, by: int) -> int:
    """Divide, rounded up."""
    return -(-size // by)


def _grouped(rows: int, columns: int, group: int, scale: int) -> int:
    """Half a byte an element, and a scale for each group of a row."""
    return rows * columns // 2 + scale * rows * ceil_div(columns, group)


def _with_zeros(rows: int, columns: int, group: int) -> int:
    """The same, and a zero point of half a byte beside each scale."""
    return _grouped(rows, columns, group, 2) + rows * ceil_div(columns, group) // 2


LINEAR: Mapping[Format, Callable[[int, int, int], int]] = {
    "fp8_block": lambda rows, columns, group: (
        rows * columns + 4 * ceil_div(rows, group) * ceil_div(columns, group)
    ),
    "fp8_channel": lambda rows, columns, group: rows * columns + 4 * rows,
    "fp8_tensor": lambda rows, columns, group: rows * columns,
    "int4": lambda rows, columns, group: _grouped(rows, columns, group, 2),
    "awq": _with_zeros,
    "gptq": _with_zeros,
    "nvfp4": lambda rows, columns, group: _grouped(rows, columns, 16, 1),
    "w4a16_nvfp4": lambda rows, columns, group: _grouped(rows, columns, 16, 1),
    "mxfp4": lambda rows, columns, group: _grouped(rows, columns, 32, 1),
}
"""Bytes of a linear in each format, of its rows, its columns and the group; a few bytes of scalars
apart."""
