"""What a foreign file is, by its first bytes, and the refusal of what is not read."""

import re
import zlib
from enum import StrEnum
from pathlib import Path

from dsprof.harness.errors import ProfileError

READ_KINDS = (
    "dsprof import reads Nsight Compute reports (.ncu-rep) and ncu's CSV output."
)
MAKE_CSV = "ncu --import REPORT.ncu-rep --csv --page raw --print-units base > FILE.csv"
_HEAD_BYTES = 4096
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_ZSTD = b"\x28\xb5\x2f\xfd"
_MAGIC = {
    b"SQLite format 3\0": "an SQLite database, such as nsys exports",
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"%PDF": "a PDF document",
    b"PK\x03\x04": "a zip archive",
    b"PAR1": "a Parquet file",
    b"\x7fELF": "a program",
}
_NSYS_SUFFIXES = (".nsys-rep", ".qdrep", ".qdstrm")


class FileKind(StrEnum):
    """The kinds that are read."""

    NCU_REPORT = "an Nsight Compute report"
    TEXT = "text"


def file_kind(path: Path) -> FileKind:
    """Tell what a file is; a ProfileError for what dsprof cannot read."""
    head = _read_head(path)
    if head.startswith(b"NVR\0"):
        return FileKind.NCU_REPORT
    if head.startswith(_ZSTD) and path.suffix == ".ncu-repz":
        return FileKind.NCU_REPORT
    other = _other(path, head)
    if other is not None:
        raise ProfileError(f"{path} is {other}. {READ_KINDS}")
    return FileKind.TEXT


def _read_head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
    except FileNotFoundError:
        raise ProfileError(f"No file {path}. Check the name and the folder.") from None
    except IsADirectoryError:
        raise ProfileError(f"{path} is a folder. Name the files in it.") from None
    except OSError as error:
        raise ProfileError(
            f"Cannot read {path}: {error.strerror}. Check its permissions."
        ) from error
    if not head:
        raise ProfileError(
            f"{path} is empty. Export or copy it again; the run that wrote it may "
            "have failed."
        )
    return head


def _other(path: Path, head: bytes) -> str | None:
    """What a file is that is neither a report nor text; None if it may be text."""
    for magic, words in _MAGIC.items():
        if head.startswith(magic):
            return f"{words}; timelines are not read yet" if "nsys" in words else words
    if path.suffix in _NSYS_SUFFIXES:
        return "an Nsight Systems report; timelines are not read yet"
    if head.startswith(_ZSTD):
        return "compressed with zstd; name it .ncu-repz if it is an ncu report"
    if head.startswith(b"\x1f\x8b"):
        inner = _gunzipped(head)
        return json_kind(inner) or "compressed with gzip; unpack it"
    if b"\0" in head and not head.startswith(_UTF16):
        return "a binary file of no kind that dsprof knows"
    return None


def json_kind(head: bytes) -> str | None:
    """What a file that begins like JSON is; None for other text.

    A program may print JSON before ncu's CSV, so only text without a table is asked.
    """
    text = head.lstrip(b"\xef\xbb\xbf \t\r\n")
    if not re.match(rb"\{|\[\s*[\[{\"]", text):
        return None
    return "a JSON file, such as a Kineto trace; timelines are not read yet"


def _gunzipped(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(head)
    except zlib.error:
        return b""
