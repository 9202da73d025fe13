"""A copy of a large .ncu-rep without what dsprof does not read of it.

NVIDIA's module parses a launch whole when it is asked for, and keeps it. The charts
and tables of its sections are most of that: 550 of 630 kB a launch in a report with a
hierarchical roofline, where they take nine tenths of the time and of the memory.

The file is a header and blocks: each the length of its own header (four bytes), that
header, and a payload of messages, each behind its length. Headers and messages are
protobuf. This is known by looking at files of version 7, not from a document, so
whatever looks different makes the reader take the file as it is.
"""

import mmap
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import IO

Buffer = bytes | mmap.mmap

_MAGIC_AND_VERSION = b"NVR\0\x02\x00\x00\x00\x08\x07"
_LENGTH = struct.Struct("<I")
# Fields of a block's header, and the one of a launch that holds a section.
_SOURCES, _RESULTS, _PAYLOAD_BYTES = 1, 2, 5
_SECTION = 17
_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5  # protobuf's wire types


class UnexpectedLayoutError(Exception):
    """The file is not laid out as those that this module was written for."""


def write_slim(report: Path, slim: Path) -> None:
    """Write the report without its sections; UnexpectedLayoutError if it cannot be."""
    with (
        report.open("rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data,
        slim.open("wb") as out,
    ):
        try:
            _copy(data, out)
        except (IndexError, struct.error) as error:  # an end before its time
            raise UnexpectedLayoutError from error


def _copy(data: mmap.mmap, out: IO[bytes]) -> None:
    at = len(_MAGIC_AND_VERSION)
    if data[:at] != _MAGIC_AND_VERSION:
        raise UnexpectedLayoutError
    out.write(_MAGIC_AND_VERSION)
    while at < len(data):
        header, at = _message(data, at)
        numbers = {
            field: _varint(header, start)[0]
            for field, wire, start, _ in _fields(header)
            if wire == _VARINT
        }
        end = at + numbers.get(_PAYLOAD_BYTES, 0)
        if end > len(data):
            raise UnexpectedLayoutError
        payload = data[at:end]
        if numbers.get(_RESULTS) and not numbers.get(_SOURCES):
            payload = _without_sections(payload)
            header = _with_payload_bytes(header, len(payload))
        out.write(_LENGTH.pack(len(header)) + header + payload)
        at = end


def _without_sections(payload: bytes) -> bytes:
    slim = b""
    at = 0
    while at < len(payload):
        message, at = _message(payload, at)
        kept: list[bytes] = []
        copied = 0  # up to here
        previous = 0
        for field, wire, _, end in _fields(message):
            if field == _SECTION and wire == _BYTES:
                kept.append(message[copied:previous])
                copied = end
            previous = end
        kept.append(message[copied:])
        slimmer = b"".join(kept)
        slim += _LENGTH.pack(len(slimmer)) + slimmer
    return slim


def _with_payload_bytes(header: bytes, size: int) -> bytes:
    parts: list[bytes] = []
    previous = 0
    for field, _, start, end in _fields(header):
        if field == _PAYLOAD_BYTES:
            parts.append(header[previous:start] + _to_varint(size))
        else:
            parts.append(header[previous:end])
        previous = end
    return b"".join(parts)


def _message(data: Buffer, at: int) -> tuple[bytes, int]:
    """The message that begins with its length here, and where it ends."""
    start = at + _LENGTH.size
    end = start + _LENGTH.unpack(data[at:start])[0]
    if end > len(data):
        raise UnexpectedLayoutError
    return data[start:end], end


def _fields(message: bytes) -> Iterator[tuple[int, int, int, int]]:
    """Each field's number, wire type, and where its value begins and ends."""
    at = 0
    while at < len(message):
        tag, start = _varint(message, at)
        wire = tag & 7
        if wire == _VARINT:
            at = _varint(message, start)[1]
        elif wire == _BYTES:
            length, after = _varint(message, start)
            at = after + length
        elif wire in {_FIXED32, _FIXED64}:
            at = start + (4 if wire == _FIXED32 else 8)
        else:
            raise UnexpectedLayoutError
        if at > len(message):
            raise UnexpectedLayoutError
        yield tag >> 3, wire, start, at


def _varint(data: bytes, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, low ones first, and where it ends."""
    value = shift = 0
    while True:
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at += 1
        if byte < 0x80:  # noqa: PLR2004 -- the top bit says that more follow
            return value, at
        shift += 7


def _to_varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:  # noqa: PLR2004 -- as above
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
