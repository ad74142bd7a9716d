"""Operations of xarray that people use, as one table: a name, and a function of a Dataset.

Left out, because the results differ for good reasons: `repr` and `info` (dask arrays beside
arrays in memory), `encoding`, `chunks` and `nbytes` (where the values come from), and
`dask.base.tokenize` (of the graph). `rank`, `ffill` and `rolling_exp` need bottleneck or numbagg,
which the tests do not install. An operation may change the Dataset that it gets.
"""

import pandas as pd
import xarray as xr

from tests.xarray_operations.change import CHANGE, SELECT
from tests.xarray_operations.combine import COMBINE, COMPUTE
from tests.xarray_operations.export import EXPORT, LOOK, PLOT
from tests.xarray_operations.parts import Operation
from tests.xarray_operations.reshape import GROUP, RESHAPE

OPERATIONS: dict[str, Operation] = {
    **CHANGE,
    **SELECT,
    **COMBINE,
    **COMPUTE,
    **GROUP,
    **RESHAPE,
    **EXPORT,
    **PLOT,
    **LOOK,
}

#: What xarray itself does not do, with the exception.
REFUSED: dict[str, type[Exception]] = {
    "item of wrong length": ValueError,
    "sel area that no one has": KeyError,
    "sel two labels of one axis": ValueError,
    "sel list of labels": pd.errors.InvalidIndexError,
    "sel range of unsorted labels": KeyError,
    "sel missing neuron": KeyError,
    "sel nearest, tolerance": KeyError,
    "align exact": xr.AlignmentError,
    "merge a label that conflicts": xr.MergeError,
    "resample": TypeError,
    "testing differs": AssertionError,
    "unknown attribute": AttributeError,
}

#: Operations that need a package that need not be there.
NEEDS = {"to_dask_dataframe": "pyarrow"}
