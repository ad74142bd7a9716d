"""Results beside published scores, as a Markdown table."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import xarray as xr

from aa1xr import arguments, schema
from aa1xr.benchmark.run import SCORES, TYPE
from aa1xr.printable import cell_text


@dataclass(frozen=True)
class Published:
    """One figure of the published table: CCnorm in %, songs."""

    model: str
    area: str
    cc_norm: float


#: Rançon et al. (2025), Communications Biology, doi:10.1038/s42003-025-08858-3: the three best
#: models of each area. The labels of the second and third in MLd look swapped there: the number of
#: parameters beside the first of them is that of the Transformer in Field L.
PUBLISHED = (
    Published("StateNet GRU", "Field_L", 71.0),
    Published("Transformer", "Field_L", 65.5),
    Published("2D-CNN", "Field_L", 65.0),
    Published("StateNet Mamba", "MLd", 73.4),
    Published("2D-CNN (label may be swapped)", "MLd", 68.9),
    Published("Transformer (label may be swapped)", "MLd", 68.3),
)

_HEADER = (
    "| model | area | sounds | CCnorm % | CCnorm (deepSTRF) % | CCraw % | neurons scored |\n"
    "|---|---|---|---|---|---|---|"
)


def table(results: Iterable[xr.Dataset], *, published: bool = True) -> str:
    """Format results of `aa1xr.benchmark.run`, with a row for each area and type of stimulus.

    Parameters
    ----------
    results
        One result for each model; the attribute `model` is its name.
    published
        Add the published scores of these areas. They are for recorded neurons and other splits of
        the stimuli, so they are no ranking.

    Returns
    -------
    str
        Means over neurons, then over splits and seeds, with the standard deviation if there are
        several; and the number of neurons with a score (out of all, in the worst split). A model
        that predicts from later sound is marked "(not causal)". A model whose stimulus is not the
        spectrogram of the protocol is marked with the kind of its spectrogram.

    Examples
    --------
    >>> scores = ("cc_norm", "cc_norm_deepstrf", "cc_raw")
    >>> half = (("split", "seed", "stimulus_type", "neuron"), [[[[0.5, float("nan")]]]])
    >>> coords = {"area": ("neuron", ["MLd", "MLd"]), "stimulus_type": ["conspecific"]}
    >>> result = xr.Dataset(dict.fromkeys(scores, half), coords, {"model": "ridge"})
    >>> print(aa1xr.benchmark.table([result], published=False))
    | model | area | sounds | CCnorm % | CCnorm (deepSTRF) % | CCraw % | neurons scored |
    |---|---|---|---|---|---|---|
    | ridge | MLd | conspecific | 50.0 | 50.0 | 50.0 | 1 of 2 |
    """
    rows, areas = [_HEADER], set[str]()
    for result in arguments.listed("results", results):
        schema.require(result, *SCORES, name="a result", of="aa1xr.benchmark.run")
        if TYPE not in result.dims:
            raise ValueError(
                f"a result must have the dimension {TYPE!r}, as aa1xr.benchmark.run gives it; got "
                f"{tuple(map(str, result.dims))}"
            )
        if "model" not in result.attrs:
            raise ValueError(
                "a result has no attribute 'model', its name in the table: "
                'result.assign_attrs(model="...")'
            )
        areas |= set(result["area"].values.tolist())
        for area in np.unique(result["area"]):
            of_area = result.isel(neuron=np.flatnonzero(result["area"] == area))
            types = result[TYPE].values
            rows += [_row(of_area.sel({TYPE: type_}), str(area), type_) for type_ in types]
    if published:
        rows += [
            f"| {p.model}, published (other splits) | {p.area} | conspecific | {p.cc_norm} | | | |"
            for p in PUBLISHED
            if not areas or p.area in areas
        ]
    return "\n".join(rows)


def _row(scores: xr.Dataset, area: str, type_: str) -> str:
    figures = []
    for name in SCORES:
        of_run = 100 * scores[name].mean("neuron").values.ravel()
        spread = f" ± {of_run.std(ddof=1):.1f}" if of_run.size > 1 else ""
        figures.append(f"{of_run.mean():.1f}{spread}")
    scored = int(scores["cc_norm"].notnull().sum("neuron").min())
    model = scores.attrs["model"]
    if scores.attrs.get("spectrogram") == "custom":
        model += f" ({scores.attrs.get('spectrogram_kind', 'custom')} spectrogram)"
    if "causal" in scores and not scores["causal"].all():
        model += " (not causal)"
    labels = map(cell_text, (model, area, type_))
    cells = (*labels, *figures, f"{scored} of {scores.sizes['neuron']}")
    return f"| {' | '.join(cells)} |"
