"""Models from elsewhere: found by name or given as they are, with an identity, and called alike."""

from __future__ import annotations

import copy
import importlib
import inspect
import sys
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr

from aa1xr import schema
from aa1xr.analysis.spectrogram_checks import silence
from aa1xr.analysis.split import Split
from aa1xr.arguments import shown
from aa1xr.benchmark.identity import installed, local_modules, model_digest
from aa1xr.benchmark.models import MODELS, NEEDS_TORCH, from_network
from aa1xr.benchmark.parameters import count_parameters
from aa1xr.dataset.spectrogram_kinds import function_name
from aa1xr.errors import AA1Warning
from aa1xr.messages import warn
from aa1xr.optional import import_optional
from aa1xr.printable import file_name, one_line, printable
from aa1xr.typing import Floats

#: Packages register models under this name.
ENTRY_POINTS = "aa1xr.models"
#: How far back the features of an estimator reach, in ms.
_LAGS_MS = 100
#: What an estimator has.
_METHODS = ("fit", "predict")
#: What a function may take beside the data.
_OPTIONAL = ("seed", "checkpoint")


@dataclass(frozen=True)
class Entrant:
    """A model of the benchmark, from this package or not."""

    name: str  #: in tables
    model: Any
    is_builtin: bool = False  #: of this package

    @property
    def key(self) -> str:
        """The name of its results: another one if the model has changed."""
        if self.is_builtin:
            return self.name
        return file_name(f"{self.name}-{model_digest(self.model)[:16]}")

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled with its code: a worker need not have the files of the model."""
        if self.is_builtin:
            return _builtin, (self.name,)
        import cloudpickle

        registered = cloudpickle.list_registry_pickle_by_value()
        modules = [each for each in local_modules() if each.__name__ not in registered]
        for module in modules:
            cloudpickle.register_pickle_by_value(module)
        try:
            return _unpickled, (self.name, cloudpickle.dumps(self.model))
        finally:
            for module in modules:
                cloudpickle.unregister_pickle_by_value(module)

    def predict(
        self, known: xr.Dataset, split: Split, stimuli: xr.Dataset, seed: int, checkpoint: Any
    ) -> xr.DataArray:
        """Fit and predict. [shape: (neuron, stimulus, time)].

        Raises
        ------
        ValueError
            If the model returns something else.
        """
        function = _as_function(self.model)
        values = {"seed": seed, "checkpoint": checkpoint}
        options = {name: values[name] for name in _optional(function)}
        # Copies, which it may change.
        copies = known.copy(deep=True), split, stimuli.copy(deep=True)
        try:
            found = function(*copies, **options)
        except Exception as error:
            error.add_note(f"in the model {self.name!r}{_place_of(error)}")
            raise
        return self._checked(found, known, stimuli)

    def count_parameters(
        self, n_freq: int, n_neurons: int, *, dt_ms: float
    ) -> tuple[int, int] | None:
        """See `aa1xr.benchmark.parameters`; None also if a network is not made for one output."""
        try:
            return count_parameters(_as_function(self.model), n_freq, n_neurons, dt_ms=dt_ms)
        except Exception:  # noqa: BLE001 - the code is anybody's, and its scores are there
            return None

    def _checked(self, found: Any, known: xr.Dataset, stimuli: xr.Dataset) -> xr.DataArray:
        labels = {
            "neuron": known["neuron"].variable,
            "stimulus": stimuli["stimulus"].variable,
            "time": stimuli["time"].variable,
        }
        wanted = tuple(label.size for label in labels.values())
        if isinstance(found, xr.DataArray) and found.dtype.kind not in "fiu":
            raise ValueError(
                f"the model {self.name!r} must return rates that are real numbers; got "
                f"{found.dtype}"
            )
        must = f"the model {self.name!r} must return rates [shape: (neuron, stimulus, time)]"
        if not isinstance(found, xr.DataArray):
            values = np.asarray(found)
            if values.shape != wanted or values.dtype.kind not in "fiu":
                raise ValueError(
                    f"{must}, here {wanted} numbers; got {type(found).__name__} of shape "
                    f"{values.shape} and dtype {values.dtype}"
                )
            return xr.DataArray(values, labels, tuple(labels))
        if set(found.dims) != set(labels):
            raise ValueError(f"{must}; got a DataArray with the dimensions {found.dims}")
        for dim, label in labels.items():
            if dim not in found.coords:
                raise ValueError(f"{must}; got a DataArray without the coordinate {dim!r}")
            there = found.indexes[dim]
            if not there.is_unique:
                raise ValueError(f"{must}; got a DataArray with {dim} labels that repeat")
            if missing := [one for one in label.values.tolist() if one not in there]:
                raise ValueError(
                    f"{must}; got a DataArray without {dim} {shown(missing[0])} (and "
                    f"{len(missing) - 1} more)"
                )
        ordered = found.sel({dim: label.values for dim, label in labels.items()})
        return ordered.transpose(*labels)


def _place_of(error: Exception) -> str:
    """The last line of a user's own file that an error came through."""
    package = str(Path(__file__).parents[1] / "_")[:-1]
    lines = [
        f", {printable(Path(frame.filename).name)} line {frame.lineno}"
        for frame in traceback.extract_tb(error.__traceback__)
        if Path(frame.filename).is_file() and not frame.filename.startswith((package, *installed()))
    ]
    return lines[-1] if lines else ""


def _builtin(name: str) -> Entrant:
    if name in NEEDS_TORCH:
        import_optional("torch", extra="torch")
    return Entrant(name, MODELS[name], is_builtin=True)


def _unpickled(name: str, model: bytes) -> Entrant:
    import cloudpickle

    return Entrant(name, cloudpickle.loads(model))


def find_model(model: Any) -> Entrant:
    """A model by its name, by the place of its code, or as it is.

    Parameters
    ----------
    model
        See `aa1xr.benchmark.run`.

    Raises
    ------
    ValueError, TypeError
        If there is no such model, or it is none.
    """
    if isinstance(model, Entrant):
        return model
    if not isinstance(model, str):
        return _entrant(_name_of(model), model)
    if model in MODELS:
        for entry in entry_points(group=ENTRY_POINTS, name=model):
            warn(
                f"model={shown(model)} is the model of aa1xr, and not {entry.value!r}, which is "
                f"registered under the same name; give {entry.value!r}",
                AA1Warning,
            )
        return _builtin(model)
    if ":" in model:
        return _entrant(model, _import(model))
    for entry in entry_points(group=ENTRY_POINTS, name=model):
        return _entrant(model, _import(f"{entry.module}:{entry.attr}"))
    registered = {entry.name for entry in entry_points(group=ENTRY_POINTS)} - set(MODELS)
    names = [*MODELS, *sorted(registered)]
    raise ValueError(
        f"model={shown(model)}; expected one of {', '.join(map(repr, names))}, "
        "'package.module:attribute', or a model itself: a function, an estimator, or a class of "
        "torch.nn.Module"
    )


def _import(place: str) -> Any:
    module, _, attribute = place.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for name in attribute.split("."):
            found = getattr(found, name)
    except (ImportError, AttributeError, ValueError, TypeError, SystemExit) as error:
        raise ValueError(
            f"model={shown(place)} must be 'package.module:attribute'; it cannot be imported: "
            f"{type(error).__name__}: {one_line(error)}. The module must be installed, in "
            "$PYTHONPATH, or (for the command aa1xr) in the working directory"
        ) from error
    return found


def _entrant(name: str, model: Any) -> Entrant:
    if not callable(model) and not _is_estimator(model):
        _refuse_half(name, model)
        raise TypeError(
            f"model {name!r} is {type(model).__name__}; expected a function (known, split, "
            "stimuli) -> rates, an object with fit and predict, or a class of torch.nn.Module"
        )
    _as_function(model)  # refuses what cannot be called alike
    return Entrant(name, model)


def _name_of(model: Any) -> str:
    return function_name(model).replace("<locals>.", "")


def _is_network(model: Any) -> bool:
    torch: Any = sys.modules.get("torch")  # a class of torch.nn has loaded it
    return torch is not None and isinstance(model, type) and issubclass(model, torch.nn.Module)


def _is_estimator(model: Any) -> bool:
    return all(callable(getattr(model, name, None)) for name in _METHODS)


def _as_function(model: Any) -> Callable[..., Any]:
    """A function (known, split, stimuli, ...) from any kind of model."""
    if _is_network(model):
        return from_network(model)
    torch: Any = sys.modules.get("torch")
    if torch is not None and isinstance(model, torch.nn.Module):
        raise TypeError(
            f"the model is one {type(model).__name__}, whose weights every split would share; give "
            "the class, which is made anew for each fit: model=" + type(model).__name__
        )
    if _is_estimator(model):
        return from_estimator(model)
    try:
        inspect.signature(model).bind(
            "known", "split", "stimuli", **dict.fromkeys(_optional(model))
        )
    except (TypeError, ValueError) as error:  # the latter where there is no signature
        _refuse_half(_name_of(model), model)
        raise TypeError(
            f"the model {_name_of(model)!r} must be a function (known, split, stimuli) that may "
            f"also take seed and checkpoint; {error}. A network is given as its class, made by "
            "(n_freq, n_neurons): for other sizes, subclass it"
        ) from None
    return model  # type: ignore[no-any-return]


def _refuse_half(name: str, model: Any) -> None:
    """Say what an estimator lacks, if it is half of one."""
    for has, lacks in (_METHODS, _METHODS[::-1]):
        if callable(getattr(model, has, None)):
            raise TypeError(f"the model {name!r} has {has}, but no {lacks}")


def _optional(function: Callable[..., Any]) -> list[str]:
    parameters = inspect.signature(function).parameters
    anything = any(each.kind is each.VAR_KEYWORD for each in parameters.values())
    return [name for name in _OPTIONAL if anything or name in parameters]


def from_estimator(estimator: Any) -> Callable[..., Any]:
    """A function that fits an object with `fit(X, y)` and `predict(X)`, as scikit-learn has them.

    A row of X is a bin: the spectrogram of that bin and of those before it, back to 100 ms
    [shape: (bins, freq * lag), the bands of lag 0 first]. y has the rates of all neurons that were
    presented the same stimuli [shape: (bins, neuron)]. Fitted to training and validation stimuli
    together.
    """

    def fit_and_predict(known: xr.Dataset, split: Split, stimuli: xr.Dataset, seed: int) -> Floats:  # noqa: ARG001 - validation is part of known
        known = known[["psth", "spectrogram"]].compute()
        rates = known["psth"].transpose("neuron", "stimulus", "time").values
        presented = ~np.isnan(rates)
        x, x_test = features(known), features(stimuli)
        out = np.full((len(rates), *x_test.shape[:2]), np.nan)
        heard, group = np.unique(presented.any(2), axis=0, return_inverse=True)
        for number, which in enumerate(heard):
            neurons = np.flatnonzero(group.ravel() == number)
            # A bin is used if all of these neurons have data in it.
            used = presented[neurons].all(0)
            if not which.any():
                continue
            one = estimator() if isinstance(estimator, type) else copy.deepcopy(estimator)
            if "random_state" in getattr(one, "get_params", dict)():
                one.set_params(random_state=seed)
            one.fit(x[used], rates[neurons][:, used].T)
            rows = np.asarray(one.predict(x_test.reshape(-1, x.shape[2])))
            expected = (x_test.shape[0] * x_test.shape[1], neurons.size)
            if rows.shape != expected and not (
                rows.ndim == 1 and rows.shape == expected[:1] and neurons.size == 1
            ):
                raise ValueError(
                    f"predict of the model {type(one).__name__} must return an array of shape "
                    f"{expected}, (bins, neurons); got {rows.shape}"
                )
            out[neurons] = rows.reshape(*x_test.shape[:2], -1).transpose(2, 0, 1)
        return out

    return fit_and_predict


def features(ds: xr.Dataset) -> Floats:
    """The spectrogram now and up to 100 ms ago. [shape: (stimulus, time, freq * lag)]."""
    sound = ds["spectrogram"].transpose("stimulus", "time", "freq")
    n_lags = max(1, round(_LAGS_MS / schema.bin_width_ms(ds)))
    quiet = np.broadcast_to(_quiet(sound), (sound.shape[0], n_lags - 1, sound.shape[2]))
    padded = np.concatenate([quiet, sound.values], 1)
    lagged = np.lib.stride_tricks.sliding_window_view(padded, n_lags, axis=1)[..., ::-1]
    return lagged.transpose(0, 1, 3, 2).reshape(*sound.shape[:2], -1)


def _quiet(sound: xr.DataArray) -> Floats:
    """Silence in the units of a spectrogram; where scaling changed it, what ends the axis."""
    if (known := silence(sound)) is not None:
        return np.array(known)
    shortest = int(sound["duration_s"].values.argmin()) if "duration_s" in sound.coords else 0
    return np.asarray(sound.values[shortest, -1])
