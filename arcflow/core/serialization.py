"""Conversion of frozen dataclasses of plain values to and from JSON objects that name a kind."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, NoReturn, TypeVar

from arcflow.core.errors import DataError, located

T = TypeVar("T")


def plain_json(kind: str, value: Any) -> dict[str, object]:
    """Return ``{"kind": kind, field: value, ...}`` for a dataclass; tuples become lists."""
    obj: dict[str, object] = {"kind": kind}
    for field in fields(value):
        of = getattr(value, field.name)
        obj[field.name] = list(of) if isinstance(of, tuple) else of
    return obj


def plain_fields(
    obj: object, kinds: Mapping[str, type[T]], where: str
) -> tuple[type[T], dict[str, Any]]:
    """Return the class that ``obj`` names and its field values, whose lists have become tuples.

    The values are not checked.

    Args:
        obj: The decoded JSON.
        kinds: The dataclass of each kind.
        where: What ``obj`` is, for error messages.

    Raises:
        DataError: ``obj`` is no object, its kind is unknown, or a field is missing or unknown.
    """
    expected = f"an object with 'kind' one of {', '.join(kinds)}"
    if not isinstance(obj, Mapping):
        _refuse_json(f"{where}: wrong type", obj, expected)
    kind = obj.get("kind")
    if not isinstance(kind, str) or kind not in kinds:
        _refuse_json(f"{where}: unknown kind", kind, expected)
    cls = kinds[kind]
    known = {field.name: field for field in fields(cls)}  # type: ignore[arg-type]
    given = {key: value for key, value in obj.items() if key != "kind"}
    for key in given:
        if key not in known:
            _refuse_json(f"{where}: unknown field of {kind}", key, f"fields {', '.join(known)}")
    for name, field in known.items():
        if name not in given and field.default is MISSING:
            _refuse_json(
                f"{where}: missing field {name!r} of {kind}",
                sorted(given),
                f"fields {', '.join(known)}",
            )
    return cls, {k: tuple(v) if isinstance(v, list) else v for k, v in given.items()}


def plain_object(cls: type[T], fields: Mapping[str, Any], where: str) -> T:
    """Return the object that JSON described.

    Args:
        cls: The class to construct.
        fields: The values of its fields.
        where: What the JSON is, for error messages.

    Raises:
        DataError: The class refuses a field's value.
    """
    with located(where, ", "):
        return cls(**fields)


def check_int(kind: str, field: str, value: object, low: int, high: int | None = None) -> None:
    """Refuse any value but an integer of at least ``low`` and, if given, at most ``high``.

    Args:
        kind: The kind of object that has the field, for the error message.
        field: The name of the field, for the error message.
        value: The value to check.
        low: The smallest allowed value.
        high: The largest allowed value, or None for no limit.

    Raises:
        DataError: The value is not such an integer.
    """
    if type(value) is not int or value < low or (high is not None and value > high):
        bounds = f">= {low}" if high is None else f"{low}..{high}"
        refuse(kind, field, value, f"an integer {bounds}")


def check_bool(kind: str, field: str, value: object) -> None:
    """Refuse any value but true and false.

    Args:
        kind: The kind of object that has the field, for the error message.
        field: The name of the field, for the error message.
        value: The value to check.

    Raises:
        DataError: The value is neither.
    """
    if type(value) is not bool:
        refuse(kind, field, value, "true or false")


def refuse(kind: str, field: str, value: object, expected: str) -> NoReturn:
    """Raise an error that says that a field's value is not allowed.

    Args:
        kind: The kind of object that has the field.
        field: The name of the field.
        value: The offending value.
        expected: What would have been right.

    Raises:
        DataError: This is always raised.
    """
    raise DataError(
        f"{kind}: bad {field}",
        value=value,
        expected=expected,
        next_step=f"Correct {field} where the {kind} comes from.",
    )


def _refuse_json(what: str, value: object, expected: str) -> NoReturn:
    raise DataError(what, value=value, expected=expected, next_step="Correct the JSON.")
