"""Results appear whole or not at all: they are written beside their place and moved there at the end."""

from __future__ import annotations

import errno
import json
import os
import shutil
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np

from .errors import InputError

_STAGING = ".writing-"
_LOCK = ".in-use"
_FULL = "The disk of {folder} is full: free some space or give another folder."
_NEARLY_NOTHING = 1_000_000


@contextmanager
def staged(folder: Path, optional: Sequence[str] = ()) -> Iterator[Path]:
    """A temporary folder whose files move into ``folder`` when the block ends well.

    When the block raises, ``folder`` is as it was before (and is not made if it was not there). What a killed run
    left behind is cleared by the next one.

    Args:
        folder: where the files go.
        optional: names that not every run writes; an earlier run's do not stay beside the files of this one.

    Raises:
        InputError: the folder cannot be written, or the disk is full.
    """
    made = _not_there(folder)
    staging = folder / f"{_STAGING}{os.getpid()}-{uuid.uuid4().hex[:8]}"
    try:
        with _explained(folder):
            folder.mkdir(parents=True, exist_ok=True)
            _clear_left_overs(folder)
            staging.mkdir()
            yield staging
            for name in optional:
                if not (staging / name).exists():
                    (folder / name).unlink(missing_ok=True)
            for path in sorted(p for p in staging.rglob("*") if p.is_file()):
                target = folder / path.relative_to(staging)
                target.parent.mkdir(parents=True, exist_ok=True)
                path.replace(target)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
        _remove_empty(made)


def _not_there(folder: Path) -> list[Path]:
    """The folder and those around it that would have to be made, from the inside out."""
    return [path for path in (folder, *folder.parents) if not path.exists()]


def _remove_empty(folders: Sequence[Path]) -> None:
    with suppress(OSError):  # the first that holds something ends it
        for folder in folders:
            folder.rmdir()


def spare(folder: Path, names: Iterable[str], inputs: Iterable[str | Path | None]) -> None:
    """See that no result takes the place of an input.

    Args:
        folder: where the results go.
        names: that results may have.
        inputs: what was given; None where nothing was.

    Raises:
        InputError: an input lies in the folder under such a name.
    """
    results = {(folder / name).resolve() for name in names}
    for path in inputs:
        if path is not None and Path(path).resolve() in results:
            raise InputError(
                f"{Path(path).name} is an input, and a result of that name would take its place in {folder}: give "
                "another folder with --out."
            )


def _clear_left_overs(folder: Path) -> None:
    for path in folder.glob(f"{_STAGING}*"):
        owner = path.name.removeprefix(_STAGING).split("-")[0]
        if not (owner.isdigit() and _is_running(int(owner))):
            shutil.rmtree(path, ignore_errors=True)


def _is_running(process: int) -> bool:
    if os.name == "nt":  # asking would end the process there; a stale folder is the lesser evil
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    """Turn what the file system says into a sentence for the user."""
    try:
        yield
    except (FileExistsError, NotADirectoryError) as error:
        raise InputError(f"{folder} is not a folder: give another one with --out.") from error
    except PermissionError as error:
        which = folder if error.filename is None else Path(os.fsdecode(error.filename))
        if not (which.is_relative_to(folder) or folder.is_relative_to(which)):
            raise InputError(f"{which} may not be read: see to its permissions, or give a copy.") from error
        raise InputError(f"{folder} cannot be written: give another folder with --out.") from error
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise InputError(_FULL.format(folder=folder)) from error
        if error.errno == errno.EROFS:
            raise InputError(f"{folder} is read-only: give another folder with --out.") from error
        raise
    except RuntimeError as error:  # ITK tells a full disk only in words, which the system chooses
        if shutil.disk_usage(folder).free < _NEARLY_NOTHING:
            raise InputError(_FULL.format(folder=folder)) from error
        raise


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """The folder for one run alone, for long work that is kept piece by piece; however the run ends, it is free again.

    A folder that was made for it is removed again where nothing was kept.

    Raises:
        InputError: another run works in it, or the folder cannot be written.
    """
    from filelock import FileLock, Timeout

    made = _not_there(folder)
    with _explained(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / _LOCK, blocking=False)
        try:
            lock.acquire()
        except Timeout as error:
            raise InputError(
                f"Another run works in {folder}: wait until it has ended, or give another folder with --out."
            ) from error
    try:
        yield
    finally:
        lock.release()
        if made and [path.name for path in folder.iterdir()] == [_LOCK]:
            (folder / _LOCK).unlink(missing_ok=True)
        _remove_empty(made)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A path beside ``path`` to write to, which takes its place when the block ends well.

    For long work that is kept piece by piece: a file that is there is whole, whenever the work was killed.

    Raises:
        InputError: the file cannot be written, or the disk is full.
    """
    draft = path.with_name(f"{_STAGING}{path.name}")  # the suffix stays: some writers choose a format by it
    try:
        with _explained(path.parent):  # as long as the draft is there, for a full disk is told by what is left
            path.parent.mkdir(parents=True, exist_ok=True)
            yield draft
            draft.replace(path)
    finally:
        with suppress(OSError):
            draft.unlink(missing_ok=True)


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a JSON file that people can read; NumPy numbers and arrays become plain ones, NaN becomes null."""
    path.write_text(json.dumps(_plain(content), indent=2, ensure_ascii=False, allow_nan=False) + "\n", "utf-8")


def _plain(value: object) -> object:
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return _plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float) and not np.isfinite(value):
        return None
    return value
