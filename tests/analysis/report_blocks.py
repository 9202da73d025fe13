"""The blocks of a .ncu-rep, so that tests can damage one or repeat it."""

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

_LENGTH = struct.Struct("<I")
_RESULTS, _PAYLOAD_BYTES = 2, 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    start: int
    end: int
    results: int


def read_blocks(content: bytes) -> Iterator[Block]:
    """Each block: the length of its header, that, and the payload."""
    at = 8 + _LENGTH.unpack_from(content, 4)[0]
    while at < len(content):
        size = _LENGTH.unpack_from(content, at)[0]
        header = content[at + 4 : at + 4 + size]
        numbers = dict(_numbers(header))
        end = at + 4 + size + numbers.get(_PAYLOAD_BYTES, 0)
        yield Block(start=at, end=end, results=numbers.get(_RESULTS, 0))
        at = end


def repeated(source: Path, target: Path, *, times: int) -> None:
    """Write a report with its last launch repeated, as if it were profiled again."""
    content = source.read_bytes()
    last = [block for block in read_blocks(content) if block.results][-1]
    with target.open("wb") as out:
        out.write(content)
        for _ in range(times):
            out.write(content[last.start : last.end])


def _numbers(message: bytes) -> Iterator[tuple[int, int]]:
    """The varint fields of a protobuf message."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        value, at = _varint(message, at)
        if tag & 7 == 0:
            yield tag >> 3, value
        else:  # a length, and that many bytes
            at += value


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while data[at] & 0x80:
        value |= (data[at] & 0x7F) << shift
        shift += 7
        at += 1
    return value | data[at] << shift, at + 1
