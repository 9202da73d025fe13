"""Records to plain JSON values and back, with the path named where they disagree."""

import dataclasses
import types
from collections.abc import Mapping
from enum import Enum
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

Record = TypeVar("Record")


class PlainError(ValueError):
    """A value that does not fit its field; the message begins with the path."""


def to_plain(value: object) -> Any:  # noqa: ANN401 -- JSON is untyped
    """Turn dataclasses into dicts, tuples into lists and enums into their values."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {
            field.name: to_plain(getattr(value, field.name))
            for field in dataclasses.fields(value)
        }
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Mapping):
        return {to_plain(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(item) for item in value]
    return value


def from_plain(record: type[Record], value: object) -> Record:
    """Build the record that ``to_plain`` turned into ``value``.

    Fields that the record has a default for may be absent, so an older file loads;
    unknown fields, missing ones and wrong types raise PlainError.
    """
    result: Record = _decode(record, value, "")
    return result


def _decode(expected: Any, value: Any, path: str) -> Any:  # noqa: ANN401 -- a type form
    origin = get_origin(expected)
    if origin in {Union, types.UnionType}:
        return _decode_union(get_args(expected), value, path)
    if origin is tuple:
        return _decode_tuple(get_args(expected), value, path)
    if origin is Mapping:
        return _decode_mapping(get_args(expected), value, path)
    if dataclasses.is_dataclass(expected):
        return _decode_record(expected, value, path)
    return _decode_scalar(expected, value, path)


def _decode_scalar(expected: Any, value: Any, path: str) -> Any:  # noqa: ANN401
    if isinstance(expected, type) and issubclass(expected, Enum):
        try:
            return expected(value)
        except ValueError:
            known = ", ".join(str(member.value) for member in expected)
            raise _mismatch(path, f"one of {known}", value) from None
    if expected is float and type(value) is int:
        return float(value)
    if type(value) is not expected:
        raise _mismatch(path, expected.__name__, value)
    return value


def _decode_union(options: tuple[Any, ...], value: Any, path: str) -> Any:  # noqa: ANN401
    """Decode an optional field, the only union that records have."""
    if value is None and type(None) in options:
        return None
    (option,) = (option for option in options if option is not type(None))
    return _decode(option, value, path)


def _decode_tuple(items: tuple[Any, ...], value: Any, path: str) -> tuple[Any, ...]:  # noqa: ANN401
    if not isinstance(value, list):
        raise _mismatch(path, "a list", value)
    if items[-1] is Ellipsis:
        items = (items[0],) * len(value)
    if len(items) != len(value):
        raise _mismatch(path, f"{len(items)} items", value)
    pairs = zip(items, value, strict=True)
    return tuple(
        _decode(item, part, f"{path}[{index}]")
        for index, (item, part) in enumerate(pairs)
    )


def _decode_mapping(
    items: tuple[Any, ...],
    value: Any,  # noqa: ANN401
    path: str,
) -> dict[Any, Any]:
    if not isinstance(value, dict):
        raise _mismatch(path, "an object", value)
    key_type, item_type = items
    return {
        _decode(key_type, key, path): _decode(item_type, item, f"{path}.{key}")
        for key, item in value.items()
    }


def _decode_record(record: Any, value: Any, path: str) -> Any:  # noqa: ANN401
    if not isinstance(value, dict):
        raise _mismatch(path, "an object", value)
    hints = get_type_hints(record)
    fields = {field.name: field for field in dataclasses.fields(record)}
    if unknown := sorted(value.keys() - fields.keys()):
        raise PlainError(f"{path or 'top level'}: unknown field {', '.join(unknown)}")
    required = {
        name
        for name, field in fields.items()
        if field.default is dataclasses.MISSING
        and field.default_factory is dataclasses.MISSING
    }
    if missing := sorted(required - value.keys()):
        raise PlainError(f"{path or 'top level'}: no field {', '.join(missing)}")
    return record(
        **{
            name: _decode(hints[name], item, f"{path}.{name}".lstrip("."))
            for name, item in value.items()
        }
    )


def _mismatch(path: str, expected: str, value: object) -> PlainError:
    return PlainError(f"{path or 'top level'}: expected {expected}, found {value!r}")
