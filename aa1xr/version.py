"""The version of this package: the one place where it stands. pyproject.toml reads it."""

VERSION = "0.1.0"
