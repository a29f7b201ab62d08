"""Frozen dataclasses of plain values as JSON objects that name their kind."""

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, NoReturn, TypeVar

from arcflow.core.errors import DataError, located

T = TypeVar("T")


def plain_json(kind: str, value: Any) -> dict[str, object]:
    """``{"kind": kind, field: value, ...}`` of a dataclass; tuples become lists."""
    obj: dict[str, object] = {"kind": kind}
    for field in fields(value):
        of = getattr(value, field.name)
        obj[field.name] = list(of) if isinstance(of, tuple) else of
    return obj


def plain_fields(
    obj: object, kinds: Mapping[str, type[T]], where: str
) -> tuple[type[T], dict[str, Any]]:
    """The class that ``obj`` names and its fields, lists as tuples; values are not checked.

    Args:
        obj: decoded JSON.
        kinds: dataclass of each kind.
        where: what ``obj`` is, for messages.

    Raises:
        DataError: no object, unknown kind, missing or unknown fields.
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
    """Make the object that JSON described; ``where`` leads the message of a refusal.

    Raises:
        DataError: a field's value cannot be.
    """
    with located(where, ", "):
        return cls(**fields)


def check_int(kind: str, field: str, value: object, low: int, high: int | None = None) -> None:
    """Refuse all but an integer ``low..high``."""
    if type(value) is not int or value < low or (high is not None and value > high):
        bounds = f">= {low}" if high is None else f"{low}..{high}"
        refuse(kind, field, value, f"an integer {bounds}")


def check_bool(kind: str, field: str, value: object) -> None:
    """Refuse all but true and false."""
    if type(value) is not bool:
        refuse(kind, field, value, "true or false")


def refuse(kind: str, field: str, value: object, expected: str) -> NoReturn:
    """Say that a field's value cannot be."""
    raise DataError(
        f"{kind}: bad {field}",
        value=value,
        expected=expected,
        next_step=f"Correct {field} where the {kind} comes from.",
    )


def _refuse_json(what: str, value: object, expected: str) -> NoReturn:
    raise DataError(what, value=value, expected=expected, next_step="Correct the JSON.")
