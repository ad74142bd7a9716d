"""Files that several commands write: tables and netCDF."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import pandas as pd
import xarray as xr

from aa1xr.atomic import atomic_write, refuse_existing
from aa1xr.cli.options import local_path
from aa1xr.optional import import_optional
from aa1xr.printable import one_line

#: What formulas begin with in spreadsheets, and what marks a cell as text there.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "'")
#: Of a file of `write`.
_ENDINGS = (".csv", ".csv.gz", ".parquet", ".nc")
#: What other programs take such a file for.
_FORMATS = {".csv": "csv", ".parquet": "parquet", ".mat": "mat", ".nc": "netcdf"}


def add_out(parser: argparse.ArgumentParser, text: str, *, required: bool = True) -> None:
    """Where to: --out and --overwrite."""
    parser.add_argument(
        "-o", "--out", required=required, type=local_path, metavar="FILE", help=text
    )
    add_overwrite(parser)


def add_overwrite(parser: argparse.ArgumentParser) -> None:
    """Whether a file may be replaced: --overwrite."""
    parser.add_argument("--overwrite", action="store_true", help="replace the file if it exists")


def check_out(path: Path, *, overwrite: bool) -> None:
    """Check the file of `write`, before anything is computed.

    Raises
    ------
    FileExistsError
        If something is there.
    ModuleNotFoundError
        If its format needs a package that is not installed.
    ValueError
        If its ending is of no format.
    """
    if not path.name.lower().endswith(_ENDINGS):
        raise ValueError(f"--out must end in {', '.join(_ENDINGS)}; got {one_line(path)}")
    if path.suffix.lower() == ".parquet":
        import_optional("pyarrow", extra="parquet")
    if not overwrite:
        refuse_existing(path)


def check_ending(option: str, path: Path, form: str) -> None:
    """Refuse a name that other programs would take for another format."""
    ending = path.suffix.lower()
    if (other := _FORMATS.get(ending, form)) != form:
        raise ValueError(
            f"{option} {one_line(path)} would be a file of {form} that ends in {ending}, as those "
            f"of {other} do"
        )


def write(ds: xr.Dataset, path: Path, *, overwrite: bool) -> None:
    """Write a Dataset as netCDF, or as the table of its variables and labels."""
    if path.suffix.lower() == ".nc":
        write_netcdf(ds, path, overwrite=overwrite)
    else:
        table = ds.to_dataframe().reset_index()
        as_parquet = path.suffix.lower() == ".parquet"
        write_table(table, path, as_parquet=as_parquet, overwrite=overwrite)


def write_table(
    table: pd.DataFrame, path: Path, *, as_parquet: bool = False, overwrite: bool = False
) -> None:
    """Write a table as CSV or as Parquet."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path, replace=overwrite) as partial:
        if as_parquet:
            table.to_parquet(partial, index=False)
        else:
            _as_text(table).to_csv(partial, index=False)


def print_csv(table: pd.DataFrame) -> None:
    """Write a table as CSV to standard output, where a terminal may be."""
    _as_text(table, escape=True).to_csv(sys.stdout, index=False)


def print_table(table: pd.DataFrame) -> None:
    """Print a table in columns."""
    for name in _text_columns(table):
        table = table.assign(**{name: table[name].astype(str).map(one_line)})
    print(table.to_string(index=False))


def write_netcdf(ds: xr.Dataset, path: Path, *, overwrite: bool = False) -> None:
    """Write a Dataset as netCDF 3, which MATLAB, R and every other netCDF library read."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path, replace=overwrite) as partial:
        ds.to_netcdf(partial, engine="scipy", format="NETCDF3_64BIT")


def _text_columns(table: pd.DataFrame) -> list[str]:
    return [
        str(name)
        for name, column in table.items()
        if isinstance(column.dtype, pd.CategoricalDtype) or column.dtype.kind == "O"
    ]


def _as_text(table: pd.DataFrame, *, escape: bool = False) -> pd.DataFrame:
    """Mark labels that a spreadsheet would run as a formula with an apostrophe.

    And those that begin with an apostrophe: taking one off a cell gives the label back.
    """
    for name in _text_columns(table):
        labels = {
            label: one_line(text) if escape else text
            for label in table[name].unique()
            for text in [f"'{label}" if str(label).startswith(_FORMULA) else label]
        }
        table = table.assign(**{name: table[name].map(labels)})
    return table
