"""Writes the files of a command's output folder, each whole or not at all."""

from collections.abc import Mapping
from pathlib import Path

from dsprof.harness.errors import UsageError


def refuse_existing(paths: list[Path], *, force: bool) -> None:
    """A UsageError for the first file that is there, unless it may be replaced."""
    for path in paths:
        if path.exists() and not force:
            raise UsageError(f"{path} exists. Overwrite it with --force.")


def write_folder(folder: Path, contents: Mapping[str, bytes]) -> list[Path]:
    """Write every file under the folder, which is made; return their paths."""
    written = []
    try:
        for name, content in contents.items():
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            temporary = path.with_name(f"{path.name}.tmp")
            temporary.write_bytes(content)
            temporary.replace(path)
            written.append(path)
    except OSError as error:
        raise UsageError(
            f"Cannot write {folder}: {error.strerror}. Choose another --output."
        ) from error
    return written
