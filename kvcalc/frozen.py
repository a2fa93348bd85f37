"""The base of every pydantic class here: immutable, with one sentence for a wrong value."""

from collections.abc import Mapping
from importlib import import_module
from typing import Annotated, Any, LiteralString, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import PydanticCustomError

from kvcalc.errors import RequestError, quote


class Frozen(BaseModel):
    """An immutable pydantic model.

    Raises:
        RequestError: a field is missing, unknown or out of range; the sentence names it.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", defer_build=True)

    @model_validator(mode="wrap")
    @classmethod
    def _refuse_in_one_sentence(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        if isinstance(data, cls):  # it was checked when it was made
            return data
        try:
            return handler(data)
        except ValidationError as error:
            raise _refusal(cls, error) from None

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Copy it, with other values for some fields, which are not validated.

        What was worked out from its fields is worked out anew: pydantic would copy that, too.
        """
        copied = super().model_copy(update=update, deep=deep)
        for worked_out in copied.__dict__.keys() - type(self).model_fields.keys():
            del copied.__dict__[worked_out]
        return copied


def checked(module: str, name: str) -> Any:
    """Type a field of a class here, which is imported where a value is given."""

    def check(value: object) -> object:
        return None if value is None else getattr(import_module(module), name).model_validate(value)

    return Annotated[Any, BeforeValidator(check)]


def unexpected(expected: LiteralString) -> PydanticCustomError:
    """Say in a validator what is expected: the refusal adds the field and what was found."""
    return PydanticCustomError("unexpected", expected)


def _printable(text: str) -> str:
    if not text.isprintable():
        raise unexpected("text without control characters")
    return text


EXPECTED = {
    "bool_parsing": "True or False",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "int_parsing_size": "a whole number of fewer digits",
    "value_error": "a whole number of fewer digits",  # Python's own, of an int past 4,300 digits
}
"""What is expected, by the kind of pydantic's error, where its own words say more than that."""

Text = Annotated[str, Field(strict=True, min_length=1, max_length=200), AfterValidator(_printable)]


def _refusal(model: type[BaseModel], error: ValidationError) -> RequestError:
    """Describe the first failure of a validation: the field, what was found and expected."""
    first = error.errors(include_url=False)[0]
    field = ".".join(str(step) for step in first["loc"])
    if first["type"] == "missing":
        return RequestError.about(field, "missing")
    if first["type"] == "extra_forbidden":
        known = ", ".join(model.model_fields)
        sentence = f"{quote(field)}: unknown; known are {known}"
        return RequestError(sentence, field=field, found=field, expected=f"one of {known}")
    expected = first["msg"].removeprefix("Input should be ")
    own = f"{expected[0].lower()}{expected[1:]}"
    return RequestError.of(field, first["input"], EXPECTED.get(first["type"], own))
