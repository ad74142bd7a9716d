"""The errors and warnings this package raises about data; misuse of an argument is a ValueError."""

import sys
import warnings


class ArchiveError(ValueError):
    """The raw archive is not what AA1 must be; the message names file, line and the way on."""


class StoreError(ValueError):
    """A store is damaged, foreign or of another format version."""


class DataNotFoundError(FileNotFoundError):
    """There is nothing at the given place, or no data in the data directory."""


class DownloadError(OSError):
    """The archive could not be fetched from CRCNS; the message says why and what to do."""


class IncompleteArchiveWarning(UserWarning):
    """An archive, or the store built from it, lacks or alters a part of what AA1 holds."""


def warn(message: str, category: type[Warning]) -> None:
    """Warn at the line of the user that led here, which is outside this package and xarray."""
    frame, level = sys._getframe(), 1  # noqa: SLF001 - inspect.stack() reads source files
    while frame.f_back and frame.f_globals.get("__name__", "").split(".")[0] in {"aa1xr", "xarray"}:
        frame, level = frame.f_back, level + 1
    warnings.warn(message, category, stacklevel=level)
