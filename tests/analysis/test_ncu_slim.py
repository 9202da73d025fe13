from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dsprof.analysis.ncu_slim import UnexpectedLayoutError, write_slim
from tests.analysis.report_blocks import read_blocks

RECORDING = Path(__file__).parents[1] / "data/h200-three-kernels.ncu-rep"
SECTION = b"\x8a\x01"  # the tag of field 17, wire type "bytes"


def with_section(content: bytes, section: bytes) -> bytes:
    """Append a section to the first launch, as a report with sections has it."""
    block = next(block for block in read_blocks(content) if block.results)
    header_size = int.from_bytes(content[block.start : block.start + 4], "little")
    payload_at = block.start + 4 + header_size
    header = content[block.start + 4 : payload_at]
    old = content[payload_at : block.end]
    message = old[4:] + SECTION + varint(len(section)) + section
    payload = len(message).to_bytes(4, "little") + message
    header = header.replace(b"\x28" + varint(len(old)), b"\x28" + varint(len(payload)))
    return b"".join(
        [
            content[: block.start],
            len(header).to_bytes(4, "little"),
            header,
            payload,
            content[block.end :],
        ]
    )


def varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=20)
@given(st.binary(max_size=20_000))
def test_a_section_is_left_out_and_nothing_else(tmp_path: Path, section: bytes) -> None:
    content = RECORDING.read_bytes()
    report, slim = tmp_path / "a.ncu-rep", tmp_path / "b.ncu-rep"
    report.write_bytes(with_section(content, section))
    write_slim(report, slim)
    assert slim.read_bytes() == content


def test_a_report_without_sections_stays_as_it_is(tmp_path: Path) -> None:
    slim = tmp_path / "slim.ncu-rep"
    write_slim(RECORDING, slim)
    assert slim.read_bytes() == RECORDING.read_bytes()


def test_what_looks_different_is_left_to_nvidias_module(tmp_path: Path) -> None:
    content = RECORDING.read_bytes()
    report, slim = tmp_path / "a.ncu-rep", tmp_path / "b.ncu-rep"
    newer = content[:9] + b"\x08" + content[10:]
    shifted = content[:10] + b"\0" + content[10:]
    for other in (newer, shifted, content[:-1], content[:5000], b"x" * 100):
        report.write_bytes(other)
        with pytest.raises(UnexpectedLayoutError):
            write_slim(report, slim)
