"""The settings of an engine with several releases."""

from functools import cached_property
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from kvcalc.engines.engine import About, Settings
from kvcalc.engines.releases import Releases, Standing, numbers, parsed
from kvcalc.model import Model


class ReleasedSettings(Settings):
    """The settings of an engine with several releases, which are `RELEASES` of its class."""

    RELEASES: ClassVar[Releases]
    BESIDE: ClassVar[tuple[str, ...]] = ("kv_cache_dtype", "release", "strict_version")

    release: Annotated[
        Annotated[str, Field(max_length=100)] | None,
        About("a version, as 0.25.1; the newest measured", "kvcalc"),
    ] = None
    strict_version: Annotated[
        bool, About("true: refuse a version that was not measured", "kvcalc")
    ] = False

    @model_validator(mode="after")
    def _are_the_releases(self) -> Self:
        given = {name: getattr(self, name) for name in self.model_fields_set}
        self.standing.require_settings(given)
        return self

    @cached_property
    def standing(self) -> Standing:
        """What holds at the release."""
        return self.RELEASES.at(self.release, strict=self.strict_version)

    def __eq__(self, other: object) -> bool:
        """Compare what is set, and what holds at the release; what is kept of one is its own."""
        if not isinstance(other, ReleasedSettings):
            return NotImplemented
        return super().__eq__(other) and self.standing == other.standing

    def __hash__(self) -> int:
        rules = frozenset([change.says for change in self.standing.rules.values()])
        return hash((rules, *(getattr(self, name) for name in type(self).model_fields)))

    @property
    def before_releases(self) -> bool:
        """Whether the release is older than the first that was measured."""
        if self.release is None:
            return False
        return parsed(self.release)[0] < numbers(self.RELEASES.rows[0].version)

    def under(self, standing: Standing) -> Self:
        """The same settings where something else holds: what is asked is not refused again."""
        same = type(self).model_construct(
            self.model_fields_set, **{name: getattr(self, name) for name in type(self).model_fields}
        )
        same.__dict__["standing"] = standing  # where cached_property keeps its value
        return same

    def own(self, name: str) -> Any:
        """A setting's value: as given, else the release's default."""
        given = getattr(self, name)
        return self.standing.default(name) if given is None else given

    def engine_version(self, own: str) -> str:
        """The release that was asked for, or the nearest that was measured."""
        return self.standing.version

    def require_model(self, model: Model) -> None:
        """Refuse a model that the release has no code for.

        Raises:
            UnsupportedError: it has none; the sentence names the model's type.
        """
        self.standing.require_model(model.model_type)
