import pytest

from dsprof.harness.models.run_ahead import STEPS_AHEAD, RunAhead


class FakeStream:
    def __init__(self) -> None:
        self.marked = 0
        self.waited: list[int] = []

    def mark(self) -> "FakeMark":
        self.marked += 1
        return FakeMark(self, self.marked)


class FakeMark:
    def __init__(self, stream: FakeStream, number: int) -> None:
        self.stream, self.number = stream, number

    def synchronize(self) -> None:
        self.stream.waited.append(self.number)


def test_the_first_steps_do_not_wait() -> None:
    stream = FakeStream()
    ahead = RunAhead("cuda", stream.mark)
    for _ in range(STEPS_AHEAD):
        ahead.launched()
    assert stream.waited == []


def test_each_further_step_waits_for_the_oldest_one() -> None:
    stream = FakeStream()
    ahead = RunAhead("cuda", stream.mark)
    for _ in range(STEPS_AHEAD + 3):
        ahead.launched()
    assert stream.waited == [1, 2, 3]


def test_on_the_cpu_nothing_is_recorded(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = FakeStream()
    module = "dsprof.harness.models.run_ahead"
    monkeypatch.setattr(f"{module}._recorded_event", stream.mark)
    RunAhead("cpu").launched()
    assert stream.marked == 0
    RunAhead("cuda").launched()
    assert stream.marked == 1
