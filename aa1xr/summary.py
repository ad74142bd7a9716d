"""What a Dataset holds, on one screen: as a plain dict, as text and as HTML.

This is the repr of `ds.aa1`, and what `aa1xr info` prints.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Mapping
from html import escape
from typing import Any

import numpy as np
import xarray as xr

from aa1xr import schema
from aa1xr.analysis.trial_checks import mask_of
from aa1xr.dataset.options import SpectrogramOptions
from aa1xr.printable import printable

_SOURCE = (
    "missing", "different", "additional",
    "source", "source_sha256", "aa1xr_version", "doi", "license", "citation",
)  # fmt: skip

#: Of a line of text, and of its first column.
_WIDTH, _FIRST = 88, 14
#: Characters of an attribute.
_LONGEST = 1000


def summarize(ds: xr.Dataset) -> dict[str, Any]:
    """Say what a Dataset holds, in plain numbers and strings that JSON takes.

    Labels are read and `n_trials` is computed; nothing else is. What a selection has lost is
    left out.

    >>> summarize(aa1xr.open_sample().sel(type="flatrip"))["neurons"]
    {'count': 12, 'by_area': {'Field_L': 6, 'MLd': 6}, 'animals': 2}
    """
    parts = {
        "title": str(ds.attrs.get("title", "")),
        "neurons": _neurons(ds),
        "stimuli": _stimuli(ds),
        "presentations": _presentations(ds),
        "bins": _bins(ds),
        "mel": {name: ds.attrs[name] for name in SpectrogramOptions._fields if name in ds.attrs},
        "variables": {str(name): _described(array) for name, array in ds.data_vars.items()},
        "coordinates": {str(name): _described(array) for name, array in ds.coords.items()},
        "source": {name: ds.attrs[name] for name in _SOURCE if ds.attrs.get(name)},
    }
    return {name: part for name, part in parts.items() if part}


def _described(array: xr.DataArray) -> dict[str, Any]:
    return {
        "dims": list(map(str, array.dims)),
        "units": str(array.attrs.get("units", "")),
        "long_name": str(array.attrs.get("long_name", "")),
    }


def _values(ds: xr.Dataset, name: str) -> Any:
    """The values of a label, also where a selection has left one; of none, if it is gone."""
    return np.atleast_1d(ds.coords[name].values) if name in ds.coords else np.array([])


def _neurons(ds: xr.Dataset) -> dict[str, Any]:
    ids = _values(ds, "neuron")
    if ids.size == 0:
        return {}
    areas, animals = _values(ds, "area"), _values(ds, "animal_id")
    out: dict[str, Any] = {"count": ids.size}
    if areas.size:
        names, counts = np.unique(areas, return_counts=True)
        out["by_area"] = dict(zip(names.tolist(), counts.tolist(), strict=True))
    if animals.size:
        out["animals"] = np.unique(animals).size
    return out


def _stimuli(ds: xr.Dataset) -> dict[str, Any]:
    ids, types = _values(ds, "stimulus"), _values(ds, "type")
    if ids.size == 0:
        return {}
    durations = _values(ds, "duration_s")
    out: dict[str, Any] = {"count": ids.size}
    by_type: dict[str, Any] = {}
    for type_ in np.unique(types).tolist():
        of_type = types == type_
        by_type[type_] = {"count": int(of_type.sum())}
        if durations.size:
            lengths = durations[of_type]
            by_type[type_]["duration_s"] = [float(lengths.min()), float(lengths.max())]
    if by_type:
        out["by_type"] = by_type
    if (rates := np.unique(_values(ds, "sample_rate"))).size == 1:
        out["sample_rate_hz"] = int(rates[0])
    return out


def _presentations(ds: xr.Dataset) -> dict[str, Any]:
    if "n_trials" not in ds:
        return {}
    if "trial" in ds.coords:
        try:
            shown = mask_of(ds)
        except ValueError:  # `n_trials` is of other trials
            return {}
        n_trials = (shown.sum("trial") if "trial" in shown.dims else shown).values
    else:
        n_trials = np.nan_to_num(ds["n_trials"].values)
    heard = n_trials[n_trials > 0]
    return {
        "count": int(heard.sum()),
        "pairs": int(n_trials.size),
        "pairs_heard": int(heard.size),
        "per_pair": [int(heard.min()), int(heard.max())] if heard.size else [],
    }


def _bins(ds: xr.Dataset) -> dict[str, Any]:
    time = _values(ds, "time")
    if time.size == 0 or "dt_ms" not in ds["time"].attrs:
        return {}
    # As it says, whether or not the axis is so: a summary is also of what is wrong.
    try:
        dt_ms = schema.positive("dt_ms", ds["time"].attrs["dt_ms"])
    except ValueError:
        return {}
    # Through milliseconds, so that 2.5 + 0.005 is 2.505.
    window = [float(time.min()), round(float(time.max()) * 1000 + dt_ms, 6) / 1000]
    return {"dt_ms": dt_ms, "count": int(time.size), "window_s": window}


def rows(summary: Mapping[str, Any], *, coordinates: bool = False) -> list[tuple[str, str]]:
    """A summary as a table of two columns."""
    say: dict[str, Callable[[Any], str]] = {
        "title": str,
        "neurons": _say_neurons,
        "stimuli": _say_stimuli,
        "presentations": _say_presentations,
        "bins": _say_bins,
        "mel": _say_mel,
    }
    out = [(name, words(summary[name])) for name, words in say.items() if name in summary]
    arrays = list(summary.get("variables", {}).items())
    arrays += list(summary.get("coordinates", {}).items()) if coordinates else []
    for name, variable in arrays:
        units = [f"[{variable['units']}]"] if variable["units"] else []
        dims = f"({', '.join(variable['dims'])})"
        out.append((name, " ".join(filter(None, [dims, variable["long_name"], *units]))))
    out += [(name, str(value)) for name, value in summary.get("source", {}).items()]
    return [(printable(name), printable(text, longest=_LONGEST)) for name, text in out]


def _say_neurons(neurons: Mapping[str, Any]) -> str:
    text = str(neurons["count"])
    if "by_area" in neurons:
        text += f" ({', '.join(f'{n} {area}' for area, n in neurons['by_area'].items())})"
    if "animals" in neurons:
        text += f" of {neurons['animals']} animal{'s' if neurons['animals'] > 1 else ''}"
    return text


def _say_stimuli(stimuli: Mapping[str, Any]) -> str:
    types = []
    for type_, of_type in stimuli.get("by_type", {}).items():
        length = f" of {_range(of_type['duration_s'])} s" if "duration_s" in of_type else ""
        types.append(f"{of_type['count']} {type_}{length}")
    text = f"{stimuli['count']} ({', '.join(types)})" if types else str(stimuli["count"])
    return text + (f" at {stimuli['sample_rate_hz']} Hz" if "sample_rate_hz" in stimuli else "")


def _say_presentations(shown: Mapping[str, Any]) -> str:
    text = f"{shown['count']} in {shown['pairs_heard']} of {shown['pairs']} pairs of neuron and "
    each = f", {_range(shown['per_pair'])} each" if shown["per_pair"] else ""
    return f"{text}stimulus{each}"


def _say_bins(bins: Mapping[str, Any]) -> str:
    return f"{bins['count']} of {bins['dt_ms']:g} ms, {_range(bins['window_s'])} s from onset"


def _say_mel(mel: Mapping[str, Any]) -> str:
    return ", ".join(f"{name}={value}" for name, value in mel.items())


def _range(ends: list[float]) -> str:
    """From the one to the other; one number if they are equal."""
    return " to ".join(f"{round(end, 3):g}" for end in sorted(set(ends)))


def as_text(summary: Mapping[str, Any]) -> str:
    """Render a summary for a terminal."""
    return "\n".join(
        textwrap.fill(
            text, _WIDTH, initial_indent=f"{name:{_FIRST}} ", subsequent_indent=" " * (_FIRST + 1),
            break_long_words=False, break_on_hyphens=False,
        )
        for name, text in rows(summary)
    )  # fmt: skip


def as_html(summary: Mapping[str, Any]) -> str:
    """Render a summary for a notebook."""
    cell = "text-align: left; vertical-align: top; white-space: normal"
    body = "".join(
        f"<tr><th style='{cell}'>{escape(name)}</th><td style='{cell}'>{escape(text)}</td></tr>"
        for name, text in rows(summary, coordinates=True)
    )
    return f"<table>{body}</table>"
