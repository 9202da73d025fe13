"""What a foreign file is, by its first bytes, and the refusal of what is not read."""

import re
import zlib
from enum import StrEnum
from pathlib import Path

from dsprof.analysis.kineto_file import GZIP
from dsprof.analysis.nsys_database import MAGIC, refuse_unexported
from dsprof.harness.errors import ProfileError

READ_KINDS = (
    "dsprof import reads Nsight Compute reports (.ncu-rep), ncu's CSV output, SQLite "
    "files that nsys exported, and traces of torch.profiler (.json, .json.gz)."
)
MAKE_CSV = "ncu --import REPORT.ncu-rep --csv --page raw --print-units base > FILE.csv"
_HEAD_BYTES = 4096
_UTF16 = (b"\xff\xfe", b"\xfe\xff")
_ZSTD = b"\x28\xb5\x2f\xfd"
_MAGIC = {
    b"\x89PNG": "a PNG picture",
    b"\xff\xd8\xff": "a JPEG picture",
    b"%PDF": "a PDF document",
    b"PK\x03\x04": "a zip archive",
    b"PAR1": "a Parquet file",
    b"\x7fELF": "a program",
}
_TRACE_SUFFIXES = (".json", ".json.gz")


class FileKind(StrEnum):
    """The kinds that are read."""

    NCU_REPORT = "an Nsight Compute report"
    NSYS_SQLITE = "an SQLite database, such as nsys exports"
    KINETO = "a JSON file, such as a trace of torch.profiler"
    TEXT = "text"


def file_kind(path: Path) -> FileKind:
    """Tell what a file is; a ProfileError for what dsprof cannot read."""
    head = _read_head(path)
    if head.startswith(b"NVR\0"):
        return FileKind.NCU_REPORT
    if head.startswith(_ZSTD) and path.suffix == ".ncu-repz":
        return FileKind.NCU_REPORT
    if head.startswith(MAGIC):
        return FileKind.NSYS_SQLITE
    if _is_trace(path, head):
        return FileKind.KINETO
    refuse_unexported(path)
    other = _other(head)
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


def _is_trace(path: Path, head: bytes) -> bool:
    """Whether a file is JSON by its first bytes, and a trace by them or by its name."""
    text = _gunzipped(head) if head.startswith(GZIP) else head
    named = path.name.endswith(_TRACE_SUFFIXES)
    return json_kind(text) is not None and (named or b'"traceEvents"' in text)


def _other(head: bytes) -> str | None:
    """What a file is that is neither a report nor text; None if it may be text."""
    for magic, words in _MAGIC.items():
        if head.startswith(magic):
            return words
    if head.startswith(_ZSTD):
        return "compressed with zstd; name it .ncu-repz if it is an ncu report"
    if head.startswith(GZIP):
        return "compressed with gzip; unpack it, or name a trace .json.gz"
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
    return "a JSON file; a trace of torch.profiler is read where it is named .json"


def _gunzipped(head: bytes) -> bytes:
    try:
        return zlib.decompressobj(wbits=zlib.MAX_WBITS | 16).decompress(head)
    except zlib.error:
        return b""
