"""The version of this package."""

from importlib.metadata import PackageNotFoundError, version

try:
    #: Looked up once: it is a search through the installed packages.
    VERSION = version("aa1xr")
except PackageNotFoundError:  # a clone on PYTHONPATH that was not installed
    VERSION = "0+unknown"
