"""Errors that a user can act on, and the exit codes they end with."""

from enum import IntEnum

# Not "dsprof[gpu]": nobody says what a registry would give under that name.
INSTALL_GPU = "pip install '.[gpu]' in dsprof's checkout"


class ExitCode(IntEnum):
    """What a command's exit status says; scripts may rely on it."""

    OK = 0
    FINDING = 1  # a point failed, was incorrect or regressed
    USAGE = 2
    ENVIRONMENT = 3  # nothing that was asked for can run here
    INCONCLUSIVE = 4


class DsprofError(Exception):
    """A mistake or a lack that the message names, with the way out of it."""

    exit_code = ExitCode.FINDING


class UsageError(DsprofError):
    """The command asked for something that does not exist or must not be done."""

    exit_code = ExitCode.USAGE


class EnvironmentLacksError(DsprofError):
    """The machine lacks what every requested point needs."""

    exit_code = ExitCode.ENVIRONMENT


class ProfileError(DsprofError):
    """A recorded file cannot be read; it is left as it is."""

    exit_code = ExitCode.USAGE
