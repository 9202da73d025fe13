import io
import json

from dsprof.harness.capture_worker import (
    CapturePlan,
    Event,
    capture_points,
    read_journal,
)
from dsprof.harness.records import Cache
from tests.harness.test_capture import point
from tests.harness.toy import KERNELS


def run(*points: tuple[str, int]) -> io.StringIO:
    journal = io.StringIO()
    plan = CapturePlan(points=tuple(point(*p) for p in points), cache=Cache.WARM)
    capture_points(plan, journal, device="cpu", load=KERNELS.__getitem__)
    return journal


def test_the_journal_says_what_began_and_how_it_ended() -> None:
    lines = [json.loads(line) for line in run(("double", 1)).getvalue().splitlines()]
    assert [line["event"] for line in lines] == ["started", "done"]
    assert {line["label"] for line in lines} == {point("double", 1).label}


def test_a_kernel_that_raises_or_is_not_installed_does_not_end_the_others() -> None:
    journal = run(("complain", 1), ("absent", 1), ("double", 1))
    entries = read_journal(journal.getvalue())
    assert [entry.event for entry in entries.values()] == [
        Event.FAILED,
        Event.FAILED,
        Event.DONE,
    ]
    assert "toy-lib" in entries[point("absent", 1).label].reason


def test_a_line_that_was_cut_off_is_no_entry() -> None:
    text = run(("double", 1), ("double", 4)).getvalue()
    entries = read_journal(text[:-10])
    assert entries[point("double", 4).label].event is Event.STARTED
