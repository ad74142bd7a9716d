"""Scores as lines of a table of numbers: of results, of folders, and those of this package."""

from __future__ import annotations

import os
import re
from importlib.resources import files
from typing import Any

import numpy as np
import pandas as pd
import xarray as xr
import zarr

from aa1xr import schema
from aa1xr.archive.contents import AA1_TITLE
from aa1xr.benchmark.run import SCORES, TYPE
from aa1xr.dataset.persist import load
from aa1xr.printable import file_name, one_line
from aa1xr.store.location import resolve_path

#: What a line has: a model, an area, a class of sounds, a split and a seed. Scores are means over
#: neurons, as fractions.
COLUMNS = (
    *("protocol", "model", "area", "sounds", "split", "seed"),
    *SCORES,
    *("scored", "neurons", "seconds", "parameters_one_output", "parameters"),
    *("causal", "spectrogram", "aa1xr_version", "torch_version", "note"),
)
#: Those of them that are text; empty where not known.
TEXTS = (
    *("protocol", "model", "area", "sounds"),
    *("spectrogram", "aa1xr_version", "torch_version", "note"),
)
#: What they are scores of: AA1, or the digest of other data; and a digest of the splits. Empty: not
#: known. scores.csv does not have these columns.
ORIGIN = ("data", "splits_sha256")
AA1 = "AA1"
_UNIT = re.compile(r"(?P<name>.+)-(?P<split>\d{2,})-(?P<seed>\d+)")


def stored_scores() -> pd.DataFrame:
    """Return the scores of the models of this package on the recordings, without any data.

    Returns
    -------
    pandas.DataFrame
        A row for each protocol, model, area, class of sounds, split and seed. `cc_norm`,
        `cc_norm_deepstrf` and `cc_raw` are means over the `scored` of `neurons`, as fractions;
        `seconds` is the processor time of the fit and prediction. The versions and `note` say how
        a row came about. `data` is "AA1", or the digest of other data, and `splits_sha256` a digest
        of all splits. Empty where not known.

    Examples
    --------
    >>> scores = aa1xr.benchmark.stored_scores()
    >>> ridge = scores.query("protocol == 'cv10' and model == 'ridge' and area == 'MLd'")
    >>> len(ridge), round(100 * float(ridge.cc_norm.mean()), 1)
    (10, 67.1)
    """
    with (files("aa1xr.benchmark") / "scores.csv").open(encoding="utf-8") as file:
        lines = pd.read_csv(file, dtype=dict.fromkeys(TEXTS, str))
    return lines.fillna(dict.fromkeys(TEXTS, "")).assign(data=AA1, splits_sha256="")


def score_lines(result: xr.Dataset) -> pd.DataFrame:
    """The lines of a result of `aa1xr.benchmark.run` or `score_prediction`."""
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
    rows = []
    for area in np.unique(result["area"]):
        of_area = result.isel(neuron=np.flatnonzero(result["area"] == area)).compute()
        for type_, split, seed in np.ndindex(*(of_area.sizes[d] for d in (TYPE, "split", "seed"))):
            one = of_area.isel({TYPE: type_, "split": split, "seed": seed})
            row = _texts_of(one.attrs) | {
                "area": str(area),
                "sounds": one[TYPE].item(),
                "split": one["split"].item() if "split" in one.coords else split,
                "seed": one["seed"].item() if "seed" in one.coords else seed,
                "scored": int(one["cc_norm"].notnull().sum()),
                "neurons": one.sizes["neuron"],
                "causal": bool(one["causal"].all()) if "causal" in one else True,
            }
            for name in SCORES:
                row[name] = float(one[name].mean())
            for name in ("seconds", "parameters_one_output", "parameters"):
                row[name] = float(one[name].max()) if name in one else np.nan
            rows.append(row)
    # Older results have no title: whether they are of AA1 is not known.
    title, digest = (str(result.attrs.get(f"source_{name}", "")) for name in ("title", "sha256"))
    return pd.DataFrame(rows, columns=list(COLUMNS)).assign(
        data=AA1 if title == AA1_TITLE else digest if title else "",
        splits_sha256=str(result.attrs.get("splits_sha256", "")),
    )


def _texts_of(attrs: dict[Any, Any]) -> dict[str, Any]:
    custom = attrs.get("spectrogram") == "custom"
    return {name: str(attrs.get(name, "")) for name in TEXTS} | {
        "spectrogram": str(attrs.get("spectrogram_kind", "custom")) if custom else ""
    }


def read_scores(path: str | os.PathLike[str]) -> pd.DataFrame:
    """Return the scores in a folder of `aa1xr.benchmark.run`, also of an unfinished run.

    Parameters
    ----------
    path
        The folder; `--out` of `aa1xr benchmark`.

    Returns
    -------
    pandas.DataFrame
        As `stored_scores`.

    Raises
    ------
    ValueError
        If this is not a folder of results, or has none.

    Examples
    --------
    >>> protocol = aa1xr.benchmark.Protocol("quick", 10.0, ("conspecific",), "random", n_splits=2)
    >>> ds = aa1xr.open_sample(dt_ms=protocol.dt_ms).sel(animal_id="sim0000")
    >>> _ = aa1xr.benchmark.run(ds, protocol, "ridge", areas=["MLd"], path=tmp / "results")
    >>> aa1xr.benchmark.read_scores(tmp / "results")[["model", "area", "split"]].values.tolist()
    [['ridge', 'MLd', 0], ['ridge', 'MLd', 1]]
    """
    folder = resolve_path("path", path)
    try:
        attrs = dict(zarr.open_group(folder, mode="r").attrs)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ValueError(f"{one_line(folder)} must be a folder of results; {error}") from error
    found: list[tuple[str, xr.Dataset]] = []
    for unit in sorted(folder.iterdir()):
        name = _UNIT.fullmatch(unit.name)
        if name is not None and unit.is_dir():
            scores = load(unit).compute()
            where = {"split": [int(name["split"])], "seed": [int(name["seed"])]}
            area = file_name(str(scores["area"].values[0]))
            found.append((name["name"].removesuffix(f"-{area}"), scores.expand_dims(where)))
    if not found:
        raise ValueError(f"{one_line(folder)} has no scores; run a model with path={str(path)!r}")
    keys: dict[str, set[str]] = {}
    for key, scores in found:
        keys.setdefault(scores.attrs.setdefault("model", key), set()).add(key)
    # A model that has changed since has another key, and is another model.
    return pd.concat(
        score_lines(
            scores.assign_attrs(
                attrs | {"model": key if len(keys[scores.attrs["model"]]) > 1 else model}
            )
        )
        for key, scores in found
        for model in [scores.attrs["model"]]
    ).reset_index(drop=True)
