"""Protocols: everything that must be equal for two scores to compare."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import xarray as xr

from aa1xr import arguments, schema
from aa1xr.analysis.sel import sel
from aa1xr.analysis.smooth import smooth
from aa1xr.analysis.spectrogram_checks import PROCESSING
from aa1xr.analysis.split import Split, split
from aa1xr.analysis.trial_checks import check_trials
from aa1xr.dataset.options import SpectrogramOptions
from aa1xr.dataset.spectrogram import COMPRESSIONS, FRAMES

#: Options of `aa1xr.open` that a protocol does not choose.
_WINDOW = {"before_ms": 0, "after_ms": 0}

#: What is the same in every protocol, for the record.
_FIXED = {
    "kernel": "numpy.hanning, raw, on each presentation",
    "score": "CCnorm (Schoppe et al. 2016), signal power of concatenated test stimuli",
}


@dataclass(frozen=True)
class Protocol:
    """Preparation of responses, held-out stimuli, and scores.

    Each area is scored separately. Every trial is convolved with the raw `numpy.hanning` of
    `smooth_ms` (as in `aa1xr.smooth(..., match="deepSTRF")`). Predictions are scored against these
    responses, on the test stimuli of each type separately: `cc_norm`, `cc_norm_deepstrf` and
    `cc_raw` of `aa1xr.score`, averaged over the neurons that have a score.

    Of the stimuli of each type, a fraction of `held_out` (to within one, and at least one) is for
    testing, a fraction of `validation` for validation (None: the same number), and the rest for
    training. With `together`, all types are one: split without regard to type, one score over all
    test stimuli, which has the type "all", and the number of a split is added to the seed of a
    model, so that one seed draws the stimuli and the first weights.
    """

    name: str
    dt_ms: float
    types: tuple[str, ...]  #: classes of stimuli, all for one model
    order: Literal["sorted", "random"]  #: by wav name, the last for testing; or drawn by seed
    n_splits: int
    held_out: float = 0.15
    smooth_ms: float = 21.0
    n_mels: int = 32  #: this and what follows: the spectrogram, as in `aa1xr.open`
    window_ms: float = 10.0
    fmin: float = 0.0
    fmax: float = 16000.0
    compression: str = "cubic"
    frames: str = "centred"
    validation: float | None = None
    together: bool = False

    def __post_init__(self) -> None:
        arguments.expect("name", self.name, str, "the name of the protocol, a string")
        arguments.names("types", self.types)
        if len(set(self.types)) < len(self.types):
            raise ValueError(f"types must differ; got {arguments.shown(self.types)}")
        for name in ("dt_ms", "smooth_ms", "window_ms"):
            if arguments.number(name, getattr(self, name)) <= 0:
                raise ValueError(f"{name} must be above 0; got {getattr(self, name)}")
        for name in ("fmin", "fmax"):
            arguments.number(name, getattr(self, name), "Hz")
        for name in ("held_out", "validation"):
            part = getattr(self, name)
            if part is None and name == "validation":
                continue
            if not 0 < arguments.number(name, part, "") < 1:
                raise ValueError(f"{name} must be between 0 and 1; got {part}")
        arguments.flag("together", self.together)
        arguments.check_integer("n_mels", self.n_mels)
        arguments.choice("compression", self.compression, COMPRESSIONS)
        arguments.choice("frames", self.frames, FRAMES)
        arguments.choice("order", self.order, ("sorted", "random"))
        arguments.check_integer("n_splits", self.n_splits, 1, 1000, "the model is fitted to each")

    @property
    def options(self) -> dict[str, Any]:
        """The options for `aa1xr.open`."""
        return {name: getattr(self, name) for name in ("dt_ms", *SpectrogramOptions._fields)}

    @property
    def attrs(self) -> dict[str, Any]:
        """The protocol as attributes of a result."""
        fields = asdict(self) | {"types": list(self.types)} | _FIXED
        for name in ("validation", "together"):  # results from before these options stay valid
            if not fields[name]:
                del fields[name]
        fields["protocol"] = fields.pop("name")
        return {n if n == "protocol" else f"protocol_{n}": v for n, v in fields.items()}

    def attrs_of(self, ds: xr.Dataset | None) -> dict[str, Any]:
        """The attributes of a result from the `spectrogram` of a Dataset; None: not known.

        A spectrogram that the protocol does not define is "custom". Its own attributes then replace
        those of the protocol.
        """
        sound = {name: self.options[name] for name in SpectrogramOptions._fields}
        attrs = self.attrs
        had = {} if ds is None else ds["spectrogram"].attrs
        if ds is not None and _plain(had, self.options):
            return attrs | {"spectrogram": "protocol"}
        attrs = {n: v for n, v in attrs.items() if n.removeprefix("protocol_") not in sound}
        if ds is None:
            return attrs | {"spectrogram": "unknown"}
        own = {n: _simple(v) for n, v in had.items()}
        return attrs | {"spectrogram": "custom"} | {f"spectrogram_{n}": v for n, v in own.items()}

    def prepare(self, ds: xr.Dataset) -> xr.Dataset:
        """Select the stimuli of these types, and smooth `spikes` and `psth`; lazy.

        Raises
        ------
        ValueError
            If `ds` was opened with other options, is prepared already, or lacks one of the types, a
            dimension or a coordinate.
        """
        schema.validate(ds, "spikes", "psth", "spectrogram")
        schema.require_coords(ds, "type", "name", "duration_s")
        for dim in ("neuron", "stimulus"):
            if dim not in ds["psth"].dims:
                raise ValueError(
                    f"the Dataset must have the dimension {dim!r}; select one {dim} as a list: "
                    f"ds.sel({dim}=[...])"
                )
        for name in ("spikes", "psth"):
            if "smoothed" in ds[name].attrs:
                raise ValueError(
                    f"{name!r} of the Dataset is smoothed already ({ds[name].attrs['smoothed']}), "
                    f"and protocol {self.name!r} smooths it; give the Dataset as aa1xr.open "
                    "returns it"
                )
        for name, value in (self.options | _WINDOW).items():
            # aa1xr.with_spectrogram leaves out the options of the mel spectrogram it replaces.
            replaced = name in SpectrogramOptions._fields and "kind" in ds["spectrogram"].attrs
            if ds.attrs.get(name) != value and not replaced:
                raise ValueError(
                    f"protocol {self.name!r} needs {name}={value!r}, and the Dataset has "
                    f"{ds.attrs.get(name)!r}; open it with aa1xr.open(source, **protocol.options)"
                )
        _whole_window(ds, self.name)
        check_trials(ds, "psth")
        if missing := sorted(set(self.types) - set(ds["type"].values.tolist())):
            raise ValueError(f"protocol {self.name!r} needs sounds of type {missing[0]!r}")
        ds = sel(ds, type=self.types)
        return ds.assign({name: self.smooth(ds[name]).variable for name in ("spikes", "psth")})

    def smooth(self, rate: xr.DataArray) -> xr.DataArray:
        """Smooth like the responses."""
        return smooth(rate, window_ms=self.smooth_ms, match="deepSTRF")

    def splits(self, ds: xr.Dataset) -> list[Split]:
        """Training, validation and test stimuli of each split, for a Dataset from `prepare`.

        Raises
        ------
        ValueError
            If there are fewer than three stimuli of a type.
        """
        pots = [self.types] if self.together else [(type_,) for type_ in self.types]
        of_pot = []
        for types in pots:
            sounds = sel(ds["stimulus"], type=types).sortby("name")
            of_pot.append([self._split(sounds, types, seed) for seed in range(self.n_splits)])
        return [
            Split(*map(np.concatenate, zip(*parts, strict=True)))
            for parts in zip(*of_pot, strict=True)
        ]

    def _split(self, sounds: xr.DataArray, types: tuple[str, ...], seed: int) -> Split:
        n_test, n_validation = (
            max(1, round((self.held_out if part is None else part) * sounds.size))
            for part in (self.held_out, self.validation)
        )
        if sounds.size < n_test + n_validation + 1:
            what = " and ".join(types)
            raise ValueError(f"{sounds.size} {what} sounds are too few for three parts")
        if self.order == "random":
            return split(sounds, test=n_test, validation=n_validation, stratify=None, seed=seed)
        ends = [-n_test - n_validation, -n_test]
        return Split(*np.split(sounds.values, ends))


def _plain(attrs: dict[Any, Any], options: dict[str, Any]) -> bool:
    """Whether the attributes of a spectrogram are those that `aa1xr.open` gives with `options`."""
    return all(attrs.get(name) == value for name, value in options.items()) and not any(
        name in attrs for name in (*PROCESSING, "waveforms", "kind")
    )


def _simple(value: Any) -> Any:
    """An attribute as a store keeps it."""
    return value if isinstance(value, str | int | float | bool) else str(value)


def _whole_window(ds: xr.Dataset, name: str) -> None:
    """Refuse a selection of times: scores over less of a response do not compare."""
    bins = schema.bin_numbers(ds)
    end = 1000 * float(ds["duration_s"].max()) / schema.bin_width_ms(ds)
    if bins[0] != 0 or bins[-1] + 1 < end:
        raise ValueError(f"protocol {name!r} is over whole sounds; select no times")


_SONGS, _ALL = ("conspecific",), ("conspecific", "flatrip")

#: The protocols by name.
#:
#: Two state how the published table was made (Rançon et al. 2025, Communications Biology,
#: doi:10.1038/s42003-025-08858-3), as far as it is known. docs/guide/model-scores.md has what is
#: known, and how surely.
#:
#: `rancon2025` is the protocol of Field L. Sure, from the authors' AA1 notebook of 2026: 1 ms bins,
#: songs alone, one area at a time, songs in the order of their wav names, 14 for training, 3 for
#: validation, 3 for testing. Sure, from deepSTRF 0.1.0: the smoothing, the spectrogram, and
#: Schoppe's CCnorm. Not known: whether the published figures were computed so, seeds and the
#: compression of the spectrogram, in which their notebooks and scripts differ (cubic here, the
#: default of deepSTRF), and whether the published means leave out neurons. There is one test set of
#: three songs, and another choice of three moves CCnorm by 2 to 5 points: one split is no evidence.
#:
#: `rancon2025-mixture` is the protocol of MLd. Sure, from the authors' notebook and data loader of
#: the time of the paper: all 30 sounds, ripples too, drawn at random into 21 / 3 / 6 with the seed
#: of the network, ten seeds, one score over the mixture; 32 HTK bands, windows of ten bins, bins of
#: 1 ms unless told; log10 of the power, which the published networks make of this spectrogram. Not
#: known: whether they told, and which sounds their generator drew: the splits here are others of
#: the same kind.
#:
#: `cv10` is ours: 5 ms bins, ten random splits in the same proportions, seeds 0 to 9.
#:
#: "-ripples": the same with ripples, one model for both, tested on each type by itself.
PROTOCOLS: dict[str, Protocol] = {
    protocol.name: protocol
    for protocol in (
        Protocol("rancon2025", 1.0, _SONGS, "sorted", 1),
        Protocol("rancon2025-ripples", 1.0, _ALL, "sorted", 1),
        Protocol(
            "rancon2025-mixture", 1.0, _ALL, "random", 10, held_out=0.2, validation=0.1,
            together=True,
        ),
        Protocol("cv10", 5.0, _SONGS, "random", 10),
        Protocol("cv10-ripples", 5.0, _ALL, "random", 10),
    )
}  # fmt: skip
