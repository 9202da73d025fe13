from pathlib import Path

from dsprof.harness.ncu_watch import Idle

LINE = '==PROF== Profiling "k" - 0: 0%....100% - 11 passes\n'


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_before_the_first_launch_it_waits_for_ever(tmp_path: Path) -> None:
    clock, output = Clock(), tmp_path / "out"
    idle = Idle(output, 5.0, clock)
    assert not idle()
    output.write_text("==PROF== Connected to process 1\n")
    clock.now += 1000
    assert not idle()


def test_it_is_idle_when_no_further_launch_begins_in_time(tmp_path: Path) -> None:
    clock, output = Clock(), tmp_path / "out"
    idle = Idle(output, 5.0, clock)
    output.write_text(LINE)
    assert not idle()
    clock.now += 4
    assert not idle()
    clock.now += 2
    assert idle()


def test_each_launch_starts_the_wait_anew(tmp_path: Path) -> None:
    clock, output = Clock(), tmp_path / "out"
    idle = Idle(output, 5.0, clock)
    for launches in range(1, 5):
        output.write_text(launches * LINE)
        clock.now += 4
        assert not idle()
