import os
import signal
from pathlib import Path

import pytest

from dsprof.harness.commands.apart import read_apart
from dsprof.harness.errors import ProfileError


def read_pid(_path: Path) -> int:
    return os.getpid()


def refuse(path: Path) -> None:
    raise ProfileError(f"{path} is empty.")


def crash(_path: Path) -> None:
    os.kill(os.getpid(), signal.SIGSEGV)


def test_reading_happens_in_another_process() -> None:
    assert read_apart(read_pid, Path("any")) != os.getpid()


def test_an_error_that_a_user_can_act_on_comes_through() -> None:
    with pytest.raises(ProfileError, match=r"a\.ncu-rep is empty"):
        read_apart(refuse, Path("a.ncu-rep"))


def test_a_reader_that_crashes_is_an_error_and_not_our_end() -> None:
    with pytest.raises(ProfileError, match="the reader crashed on it"):
        read_apart(crash, Path("a.ncu-rep"))
