"""Scores beside published ones, as a Markdown table."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr

from aa1xr import arguments
from aa1xr.benchmark.protocols import PROTOCOLS
from aa1xr.benchmark.run import SCORES
from aa1xr.benchmark.stored_scores import AA1, COLUMNS, ORIGIN, TEXTS, score_lines
from aa1xr.printable import cell_text, printable


@dataclass(frozen=True)
class Published:
    """One figure of the published table: CCnorm in %."""

    model: str
    area: str
    cc_norm: float
    parameters: int | None = None  #: of the whole network with one output
    protocol: str = "rancon2025"  #: probably: see `PROTOCOLS`
    sounds: str = "conspecific"


_MIXTURE = ("rancon2025-mixture", "all")
#: Rançon et al. (2025), Communications Biology, doi:10.1038/s42003-025-08858-3: the three best
#: models of each area.
#:
#: In MLd, the published labels of the second and the third model are swapped: the number of
#: parameters beside the first of them, 29,109, is that of a Transformer (embedding 48, two layers,
#: feed-forward 32, 41 bins of context), as in Field L, and cannot be that of a 2D-CNN. The labels
#: here are the right ones. The published code has 24,774 parameters for StateNet GRU, and those of
#: the 2D-CNN are of 34 bands.
PUBLISHED = (
    Published("StateNet GRU", "Field_L", 71.0, 24_900),
    Published("Transformer", "Field_L", 65.5, 29_109),
    Published("2D-CNN", "Field_L", 65.0, 26_915),
    Published("StateNet Mamba", "MLd", 73.4, 32_334, *_MIXTURE),
    Published("Transformer", "MLd", 68.9, 29_109, *_MIXTURE),
    Published("2D-CNN", "MLd", 68.3, 34_475, *_MIXTURE),
)

_HEADER = (
    *("protocol", "model", "area", "sounds", "parameters, one output", "parameters"),
    *("CCnorm %", "by stimulus %", "CCraw %", "splits", "seeds", "s a fit", "neurons scored"),
)
_LEGEND = (
    "Scores are means over neurons. ± is the standard deviation of this mean over splits (and "
    'seeds). "By stimulus" is CCnorm by the convention of deepSTRF 0.1.0. "s a fit" is the '
    "processor time of one fit and prediction."
)
_SOURCE = (
    "Published: Rançon et al. (2025), doi:10.1038/s42003-025-08858-3, under what is probably their "
    "protocol, and with the labels of two models in MLd put right."
)
_FEWER = (
    "Some rows have fewer splits than others of their protocol, and do not compare with them: a "
    "baseline (--against) pairs the splits that both have."
)
_OTHER_NEURONS = (
    "Some rows have fewer neurons scored than others, so their means are over other neurons; "
    "aa1xr.benchmark.compare compares two results of aa1xr.benchmark.run neuron by neuron."
)
_OTHER_DATA = (
    'Rows with "(other data)" are not of the complete AA1, and do not compare with other rows.'
)
_PAIRED = "± of a difference is its standard error over splits."
_ROW = ["protocol", "name", "area", "sounds", "neurons", *ORIGIN]


def table(
    results: Iterable[xr.Dataset | pd.DataFrame],
    *,
    published: bool = True,
    baseline: str | None = None,
    protocol: str | None = None,
) -> str:
    """Format scores, with a row for each protocol, model, area and type of stimulus.

    Parameters
    ----------
    results
        Results of `aa1xr.benchmark.run`, whose attribute `model` is the name, or scores of
        `stored_scores` or `read_scores`.
    published
        Add the published scores of the protocols and areas of the results. Rows of different
        protocols do not compare.
    baseline
        The name of a model of these results, with its spectrogram where the table has one: adds the
        difference to its CCnorm, paired over splits, to rows of the same splits of the same data.
    protocol
        The name of a protocol: only rows of this one, with its own splits or those of a file.

    Returns
    -------
    str
        For each protocol, area and type of stimulus, the models from the lowest CCnorm to the
        highest. Scores are means over neurons, then over the seeds of a split, then over splits,
        with the standard deviation over splits and seeds if there are several. The number of
        neurons with a score is that of the worst split. A model that predicts from later bins is
        marked "(not causal)". A model whose stimulus is not the spectrogram of the protocol is
        marked with the kind of its spectrogram, and scores of other data beside those of AA1 with
        "(other data)". Lines below the table say what ± is, and give the notes on stored scores.

    Raises
    ------
    ValueError
        If no result is of this protocol or baseline, or the baseline is two results.

    Examples
    --------
    >>> scores = ("cc_norm", "cc_norm_deepstrf", "cc_raw")
    >>> half = (("split", "seed", "stimulus_type", "neuron"), [[[[0.5, float("nan")]]]])
    >>> coords = {"area": ("neuron", ["MLd", "MLd"]), "stimulus_type": ["conspecific"]}
    >>> attrs = {"model": "ridge", "protocol": "cv1"}
    >>> result = xr.Dataset(dict.fromkeys(scores, half), coords, attrs)
    >>> for line in aa1xr.benchmark.table([result], published=False).splitlines()[::2][:2]:
    ...     print(line[:66])
    | protocol | model | area | sounds | parameters, one output | para
    | cv1 | ridge | MLd | conspecific |  |  | 50.0 | 50.0 | 50.0 | 1 |
    """
    each = [_lines(result) for result in arguments.listed("results", results)]
    if protocol is not None:
        names = sorted({name for lines in each for name in lines["protocol"]})
        each = [lines[lines["protocol"].map(lambda name: _is_of(name, protocol))] for lines in each]
        if names and not any(map(len, each)):
            raise ValueError(
                f"protocol={arguments.shown(protocol)}; expected one of these results: "
                f"{', '.join(map(cell_text, names))}"
            )
    there = {pair for lines in each for pair in zip(lines["protocol"], lines["area"], strict=True)}
    figures = [one for one in PUBLISHED if published and (one.protocol, one.area) in there]
    beside_aa1 = bool(figures) or any(AA1 in set(lines["data"]) for lines in each)
    rows = [
        _row(lines, number, beside_aa1=beside_aa1) | _paired(lines, each, baseline)
        for number, of_input in enumerate(each)
        for _, lines in of_input.groupby(_ROW, sort=False)
    ]
    rows += map(_published, figures)
    if baseline and not any(baseline in set(lines["name"]) for lines in each):
        models = sorted({name for lines in each for name in lines["name"].unique()})
        raise ValueError(
            f"baseline={arguments.shown(baseline)}; expected a model of these results: "
            f"{', '.join(map(cell_text, models))}"
        )
    header = list(_HEADER) + ([f"CCnorm less {cell_text(baseline)}"] if baseline else [])
    text = [f"| {' | '.join(header)} |", "|---" * len(header) + "|"]
    order = list(PROTOCOLS)
    rows.sort(
        key=lambda row: (
            order.index(row["protocol"]) if row["protocol"] in order else len(order),
            *(row[name] for name in ("protocol", "area", "sounds", "sort")),
        )
    )
    text += [f"| {' | '.join(row.get(name, '') for name in header)} |" for row in rows]
    notes = list(dict.fromkeys(note for row in rows for note in row.get("notes", ())))
    legend = [
        _LEGEND,
        *[_PAIRED] * bool(baseline),
        *[_FEWER] * _differs("splits", rows),
        *[_OTHER_NEURONS] * _differs("neurons scored", rows),
        *[_OTHER_DATA] * any("(other data)" in row["model"] for row in rows),
    ]
    return "\n".join([*text, "", " ".join(legend), *notes])


def _differs(column: str, rows: list[dict[str, Any]]) -> bool:
    """Whether it differs among rows that should compare."""
    found: dict[tuple[str, ...], set[str]] = defaultdict(set)
    for row in rows:
        if column in row:  # published figures have no counts
            found[row["protocol"], row["area"], row["sounds"]].add(row[column])
    return any(len(each) > 1 for each in found.values())


def _is_of(name: str, protocol: str) -> bool:
    # With splits of a file, `read_splits` adds the name of the file.
    return name == protocol or name.startswith(f"{protocol}, ")


def _lines(result: Any) -> pd.DataFrame:
    lines = result if isinstance(result, pd.DataFrame) else score_lines(result)
    if missing := [name for name in COLUMNS if name not in lines]:
        raise ValueError(
            f"scores must have the columns of aa1xr.benchmark.stored_scores; {missing[0]!r} is "
            "missing"
        )
    lines = lines.reindex(columns=[*COLUMNS, *ORIGIN])
    for name in (*TEXTS, *ORIGIN):  # from a file, an empty text is NaN
        lines[name] = lines[name].astype(object).fillna("")
    return lines.assign(name=row_names(lines))


def row_names(lines: pd.DataFrame) -> pd.Series:
    """The model of each line, with its spectrogram if that is not the one of the protocol."""
    own = lines["spectrogram"]
    return lines["model"] + (" (" + own + " spectrogram)").where(own != "", "")


def _row(lines: pd.DataFrame, number: int, *, beside_aa1: bool) -> dict[str, Any]:
    first = lines.iloc[0]
    model = first["name"] + " (not causal)" * (not lines["causal"].all())
    model += " (other data)" * (beside_aa1 and first["data"] not in (AA1, ""))
    labels = (first["protocol"], model, first["area"], first["sounds"])
    row: dict[str, Any] = dict(zip(_HEADER, map(cell_text, labels), strict=False))
    row["parameters, one output"] = _count(first["parameters_one_output"])
    row["parameters"] = _count(first["parameters"])
    for name, column in zip(("CCnorm %", "by stimulus %", "CCraw %"), SCORES, strict=True):
        row[name] = _mean(lines, column)
    row["splits"], row["seeds"] = str(lines["split"].nunique()), str(lines["seed"].nunique())
    row["s a fit"] = _seconds(lines["seconds"].mean())
    row["neurons scored"] = f"{lines['scored'].min()} of {lines['neurons'].min()}"
    percent = _of_splits(lines).mean(skipna=False)
    row["sort"] = (-1.0 if np.isnan(percent) else percent, number)
    row["notes"] = [
        f"{cell_text(model)}, {row['protocol']}: {printable(note, longest=1000)}"
        for note in lines["note"].unique()
        if note
    ]
    return row


def _mean(lines: pd.DataFrame, column: str) -> str:
    """Each split counts alike, however many seeds it has."""
    values = 100 * lines[column]
    if values.isna().all():
        return ""
    mean = _of_splits(lines, column).mean(skipna=False)
    spread = f" ± {values.std(skipna=False):.1f}" if len(values) > 1 else ""
    return f"{mean:.1f}{spread}"


def _of_splits(lines: pd.DataFrame, column: str = "cc_norm") -> pd.Series:
    """In %, the mean over the seeds of each split."""
    return 100 * lines.groupby("split")[column].agg(lambda seeds: seeds.mean(skipna=False))


def _count(value: float) -> str:
    return "" if np.isnan(value) else f"{value:,.0f}"


def _paired(
    lines: pd.DataFrame, inputs: list[pd.DataFrame], baseline: str | None
) -> dict[str, str]:
    """The difference to another model, in the same splits of the same data."""
    first = lines.iloc[0]
    if baseline is None or first["name"] == baseline:
        return {}
    of_baseline = [other[other["name"] == baseline] for other in inputs]
    for name in ("protocol", "area", "sounds", "neurons", *ORIGIN):
        of_baseline = [
            other[other[name].isin([first[name], ""]) | (first[name] == "")]
            for other in of_baseline
        ]
    found = [other for other in of_baseline if len(other)]
    if len(found) > 1:
        raise ValueError(
            f"baseline={arguments.shown(baseline)} is the name of {len(found)} results; name each: "
            'result.assign_attrs(model="...")'
        )
    if not found:
        return {}
    difference = (_of_splits(lines) - _of_splits(found[0])).dropna()
    if difference.empty:
        return {}
    error = f" ± {difference.sem():.1f}" if difference.size > 1 else ""
    return {f"CCnorm less {cell_text(baseline)}": f"{difference.mean():+.1f}{error}"}


def _seconds(value: float) -> str:
    if np.isnan(value):
        return ""
    return f"{value:.3g}" if value < 1000 else f"{value:,.0f}"


def _published(figure: Published) -> dict[str, Any]:
    labels = (figure.protocol, f"{figure.model}, published", figure.area, figure.sounds)
    return dict(zip(_HEADER, labels, strict=False)) | {
        "parameters, one output": _count(figure.parameters or np.nan),
        "CCnorm %": f"{figure.cc_norm}",
        "sort": (figure.cc_norm, -1),
        "notes": [_SOURCE],
    }
