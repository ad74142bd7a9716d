"""Pictures: what is drawn, of whom, and where to."""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

import aa1xr
from aa1xr import plot
from stress.misuse.case import Case, Inputs, refused, works
from stress.misuse.datasets import CELL, SOUND

#: As functions of `ax`; all the rest of the call is right.
DRAWN: dict[str, Callable[[Inputs, Any], Any]] = {
    "plot.compare": lambda t, ax: plot.compare(t.fit.alpha, t.fit.cc_validation, ax=ax),
    "plot.coverage": lambda t, ax: plot.coverage(t.ds, ax=ax),
    "plot.population": lambda t, ax: plot.population(t.ds, SOUND, ax=ax),
    "plot.psth": lambda t, ax: plot.psth(t.ds, CELL, SOUND, ax=ax),
    "plot.quality": lambda t, ax: plot.quality(t.ds, ax=ax),
    "plot.raster": lambda t, ax: plot.raster(t.ds, CELL, SOUND, ax=ax),
    "plot.spectrogram": lambda t, ax: plot.spectrogram(t.ds, SOUND, ax=ax),
    "plot.strf": lambda t, ax: plot.strf(t.fit, CELL, ax=ax),
    "plot.modulation_spectrum": lambda t, ax: plot.modulation_spectrum(t.fit, CELL, ax=ax),
}
#: As functions of neuron and stimulus.
OF_CELL: dict[str, Callable[[Inputs, Any, Any], Any]] = {
    "plot.psth": lambda t, cell, sound: plot.psth(t.ds, cell, sound),
    "plot.raster": lambda t, cell, sound: plot.raster(t.ds, cell, sound),
    "plot.response": lambda t, cell, sound: plot.response(t.ds, cell, sound),
    "plot.strf": lambda t, cell, sound: plot.strf(t.fit, cell),
    "plot.modulation_spectrum": lambda t, cell, sound: plot.modulation_spectrum(t.fit, cell),
}
_OF_FIELDS = {"plot.strf", "plot.modulation_spectrum"}
OF_SOUND = {name: call for name, call in OF_CELL.items() if name not in _OF_FIELDS} | {
    "plot.spectrogram": lambda t, cell, sound: plot.spectrogram(t.ds, sound),
    "plot.modulation_spectrum": lambda t, cell, sound: plot.modulation_spectrum(
        t.ds, stimulus=sound
    ),
}


def _no_axes() -> dict[str, Callable[[], Any]]:
    import matplotlib.pyplot as plt

    return {
        "an array of axes": lambda: plt.subplots(2)[1],
        "the figure": plt.figure,
        "a tuple (figure, axes)": plt.subplots,
        "a number": lambda: 1,
        "the name of a stimulus": lambda: SOUND,
    }


def rows() -> Iterator[Case]:
    for name, call in DRAWN.items():
        for what, make in _no_axes().items():
            yield refused(
                name,
                f"{what} for axes",
                lambda t, call=call, make=make: call(t, make()),
                r"ax is (ndarray|Figure|tuple|int|str); expected one matplotlib Axes, such as axes",
                TypeError,
            )
    for name, call in OF_CELL.items():
        for what, cell, says, error in (
            ("a misspelt neuron", "sim0000_1_a", "did you mean 'sim0000_1_A'", KeyError),
            ("the position of a neuron", 0, "no neuron is 0", KeyError),
            ("a list of one neuron", [CELL], "expected one name", ValueError),
            ("two neurons", [CELL, "sim0000_1_B"], "is 2 of them; expected one name", ValueError),
            ("a slice of neurons", slice(None), "is 4 of them; expected one name", ValueError),
            ("an area for a neuron", "MLd", "no neuron is 'MLd'", KeyError),
        ):
            yield refused(
                name,
                what,
                lambda t, call=call, cell=cell: call(t, cell, SOUND),
                says,
                error,
            )
    for name, call in OF_SOUND.items():
        for what, sound, says, error in (
            ("a misspelt stimulus", "flatrip_00", "did you mean 'flatrip-00'", KeyError),
            ("the position of a stimulus", 3, "no stimulus is 3", KeyError),
            ("a list of one stimulus", [SOUND], "expected one name", ValueError),
            ("a type for a stimulus", "flatrip", "did you mean 'flatrip-0", KeyError),
            ("no stimulus, of several", None,
             "one stimulus is drawn.*7; name one, as in", ValueError),
        ):  # fmt: skip
            if sound is None and name == "plot.raster":  # draws all of them
                continue
            yield refused(
                name,
                what,
                lambda t, call=call, sound=sound: call(t, CELL, sound),
                says,
                error,
            )
    yield from (refused(*row) for row in ROWS)
    yield from usual()


ROWS: tuple[tuple[Any, ...], ...] = (
    ("plot.raster", "no neuron and no stimulus, of several", lambda t: plot.raster(t.ds),
     "one neuron is drawn, and the data has 4; name one, as in neuron="),
    ("plot.population", "one neuron", lambda t: plot.population(t.ds.psth.isel(neuron=0), SOUND),
     "the rate .*expected .*neuron"),
    ("plot.population", "a measure that is none", lambda t: plot.population(
        t.ds, SOUND, by="loudness"), "measure='loudness'; expected a variable"),
    ("plot.population", "a number for the measure", lambda t: plot.population(t.ds, SOUND, by=1),
     "by is int", TypeError),
    ("plot.strfs", "no columns", lambda t: plot.strfs(t.fit, columns=0), "at least 1"),
    ("plot.strfs", "fields of NaN", lambda t: plot.strfs(t.fit * np.nan), "not estimated"),
    ("plot.strfs", "axes for a figure", lambda t: plot.strfs(t.fit, figure=_axes()),
     "figure is Axes; expected", TypeError),
    ("plot.compare", "rates and fields", lambda t: plot.compare(t.ds, t.fit),
     "measure must be a variable of both"),
    ("plot.compare", "a number", lambda t: plot.compare(t.fit.alpha, 1), "is int", TypeError),
    ("plot.style", "a style that is none", lambda t: plot.style("poster").__enter__(),
     "kind='poster'; expected"),
    ("plot.response", "bins that do not fit", lambda t: plot.response(
        t.ds, CELL, SOUND, bin_ms=0.1), "dt_ms=0.1 is not a multiple"),
    ("plot.response", "an fmax in kHz", lambda t: plot.response(t.ds, CELL, SOUND, fmax=0),
     "fmax must be above"),
    ("plot.response", "a Dataset for a prediction", lambda t: plot.response(
        t.ds, CELL, SOUND, prediction=t.ds), "prediction is Dataset", TypeError),
    ("plot.strf", "no neuron, of several", lambda t: plot.strf(t.fit), "one neuron is drawn.*name"),
    ("plot.raster", "rates for counts", lambda t: plot.raster(t.ds.psth, CELL, SOUND),
     "'psth' has no 'trial': a raster needs single trials"),
    ("plot.psth", "counts for rates", lambda t: plot.psth(t.ds.spikes, CELL, SOUND),
     "'spikes' has dimensions .*one too many, 'trial'"),
    ("plot.spectrogram", "rates for a spectrogram",
     lambda t: plot.spectrogram(t.ds.psth.isel(neuron=0), SOUND), "expected freq and time"),
    ("plot.coverage", "counts", lambda t: plot.coverage(t.ds.spikes), "one too many, 'trial'"),
    ("plot.quality", "rates", lambda t: plot.quality(t.ds.psth), "one value for each neuron"),
    ("plot.quality", "a measure that is NaN throughout",
     lambda t: plot.quality(t.ds.isel(trial=[0]), measure="snr"), "snr is finite for no neuron"),
    ("plot.quality", "measures by stimulus",
     lambda t: plot.quality(aa1xr.quality(t.ds, by="stimulus")), "one value for each neuron"),
    ("plot.strf", "responses for a field", lambda t: plot.strf(t.ds, CELL),
     "no variable 'strf'; it has: "),
    ("plot.strf", "responses as an array", lambda t: plot.strf(t.ds.psth, CELL),
     "'strf' has dimensions .*too many"),
    ("plot.strf", "a field of NaN", lambda t: plot.strf(t.fit * np.nan, CELL), "field is NaN"),
    ("plot.modulation_spectrum", "responses", lambda t: plot.modulation_spectrum(
        t.ds.psth, CELL, SOUND), "expected freq and time among them"),
    ("plot.modulation_spectrum", "fields of NaN",
     lambda t: plot.modulation_spectrum(t.fit * np.nan, CELL), "spectrum is NaN"),
    ("plot.strf", "one lag", lambda t: plot.strf(t.fit.isel(lag=0), CELL), "list or slice"),
    ("plot.response", "an array", lambda t: plot.response(t.ds.spikes, CELL, SOUND),
     "ds is DataArray; expected a Dataset", TypeError),
    ("plot.response", "axes for a figure",
     lambda t: plot.response(t.ds, CELL, SOUND, figure=_axes()),
     "figure is Axes; expected", TypeError),
    ("plot.response", "a pair without presentations",
     lambda t: plot.response(t.ds, "sim0000_2_A", "conspecific-00"),
     r"never presented.*aa1xr.plot.coverage\(ds\)"),
    ("plot.psth", "times after the sound", lambda t: plot.psth(
        t.ds.isel(time=slice(-1, None)), CELL, "conspecific-00"), "nothing to draw"),
    ("plot.psth", "a neuron that the selection has not",
     lambda t: plot.psth(t.ds.isel(neuron=0), "sim0000_2_A", SOUND), "but the data is of"),
)  # fmt: skip


def _axes() -> Any:
    import matplotlib.pyplot as plt

    return plt.subplots()[1]


def usual() -> Iterator[Case]:
    for name, call in DRAWN.items():
        axes: list[Any] = []

        def draw(t: Inputs, call: Any = call, axes: list[Any] = axes) -> Any:
            axes.append(_axes())
            return call(t, axes[-1])

        yield works(name, "axes that are there", draw, lambda t, got, axes=axes: got is axes[-1])
    yield works(
        "plot.psth", "a mean over neurons",
        lambda t: plot.psth(t.ds.psth.mean("neuron", keep_attrs=True), stimulus=SOUND),
        lambda t, got: got.get_ylabel() == "rate (spikes/s)",
    )  # fmt: skip
    yield works(
        "plot.raster", "one trial, whose axis is gone",
        lambda t: plot.raster(t.ds.isel(trial=2), CELL, SOUND),
        lambda t, got: [label.get_text() for label in got.get_yticklabels()] == ["2"],
    )  # fmt: skip
