"""Data sets that come as a tar."""

from __future__ import annotations

import contextlib
import os
import tarfile
import tempfile
from collections.abc import Iterator
from pathlib import Path

from senet_cli.datasets.labelled import WANTED
from senet_cli.errors import DiskError, UsageError


@contextlib.contextmanager
def unpacked(data: Path) -> Iterator[Path]:
    """Provide the folder of a data set; a tar is unpacked into a temporary one (`TMPDIR` says where).

    Raises:
        UsageError: neither a folder nor a tar.
        DiskError: it cannot be read or unpacked.
    """
    if os.path.isdir(data):  # noqa: PTH112 - False where one may not look
        yield data
        return
    if not os.path.lexists(data):
        raise DiskError(f"there is no file or folder `{data}`", WANTED)
    with contextlib.ExitStack() as stack:
        yield _unpack(data, stack)


def _unpack(data: Path, stack: contextlib.ExitStack) -> Path:
    try:
        if not tarfile.is_tarfile(data):
            raise UsageError(f"`{data}` is neither a folder nor a tar file", WANTED)
        folder = stack.enter_context(
            tempfile.TemporaryDirectory(prefix="senet-data-", ignore_cleanup_errors=True)
        )
        with tarfile.open(data) as archive:
            archive.extractall(folder, filter="data")
    except (tarfile.TarError, EOFError) as error:
        raise UsageError(f"`{data}` cannot be unpacked: {error}", WANTED) from error
    except OSError as error:
        raise DiskError.from_os_error(error, f"unpacking `{data}`") from error
    return Path(folder)
