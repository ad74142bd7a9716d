"""Models from elsewhere: found by name or given as they are, with an identity, and called alike."""

from __future__ import annotations

import copy
import hashlib
import importlib
import inspect
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import xarray as xr

from aa1xr import schema
from aa1xr.analysis.spectrogram_checks import silence
from aa1xr.analysis.split import Split
from aa1xr.arguments import shown
from aa1xr.benchmark.models import MODELS, NEEDS_TORCH, from_network
from aa1xr.export.optional import import_optional
from aa1xr.printable import file_name
from aa1xr.typing import Floats

#: Packages register models under this name.
ENTRY_POINTS = "aa1xr.models"
#: How far back the features of an estimator reach, in ms.
_LAGS_MS = 100
#: What a function may take beside the data.
_OPTIONAL = ("seed", "checkpoint")


@dataclass(frozen=True)
class Entrant:
    """A model of the benchmark, from this package or not."""

    name: str  #: in tables
    model: Any
    digest: str = ""  #: of code and state; "" for the models of this package

    @property
    def key(self) -> str:
        """The name of its results: another one if the model has changed."""
        return file_name(f"{self.name}-{self.digest[:12]}") if self.digest else self.name

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickled with its code: a worker need not have the files of the model."""
        if not self.digest:
            return find_model, (self.name,)
        import cloudpickle

        modules = _local_modules(self.model)
        for module in modules:
            cloudpickle.register_pickle_by_value(module)
        try:
            return _unpickled, (self.name, cloudpickle.dumps(self.model), self.digest)
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
        return self._checked(function(known, split, stimuli, **options), known, stimuli)

    def _checked(self, found: Any, known: xr.Dataset, stimuli: xr.Dataset) -> xr.DataArray:
        labels = {
            "neuron": known["neuron"].variable,
            "stimulus": stimuli["stimulus"].variable,
            "time": stimuli["time"].variable,
        }
        wanted = tuple(label.size for label in labels.values())
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
            if missing := [one for one in label.values.tolist() if one not in there]:
                raise ValueError(
                    f"{must}; got a DataArray without {dim} {shown(missing[0])} (and "
                    f"{len(missing) - 1} more)"
                )
        ordered = found.sel({dim: label.values for dim, label in labels.items()})
        return ordered.transpose(*labels)


def _unpickled(name: str, model: bytes, digest: str) -> Entrant:
    import cloudpickle

    return Entrant(name, cloudpickle.loads(model), digest)


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
        if model in NEEDS_TORCH:
            import_optional("torch", extra="torch")
        return Entrant(model, MODELS[model])
    if ":" in model:
        return _entrant(model, _import(model))
    if found := entry_points(group=ENTRY_POINTS, name=model):
        return _entrant(model, next(iter(found)).load())
    installed = [entry.name for entry in entry_points(group=ENTRY_POINTS)]
    raise ValueError(
        f"model={shown(model)}; expected one of {', '.join(map(repr, [*MODELS, *installed]))}, "
        "'package.module:attribute', or a model itself: a function, an estimator, or a class of "
        "torch.nn.Module"
    )


def _import(place: str) -> Any:
    module, _, attribute = place.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for name in attribute.split("."):
            found = getattr(found, name)
    except (ImportError, AttributeError, ValueError) as error:
        raise ValueError(
            f"model={shown(place)} must be 'package.module:attribute'; it cannot be imported: "
            f"{type(error).__name__}: {error}. The module must be installed, in $PYTHONPATH, or "
            "(for the command aa1xr) in the working directory"
        ) from error
    return found


def _entrant(name: str, model: Any) -> Entrant:
    if not (_is_network(model) or _is_estimator(model) or callable(model)):
        raise TypeError(
            f"model {name!r} is {type(model).__name__}; expected a function (known, split, "
            "stimuli) -> rates, an object with fit and predict, or a class of torch.nn.Module"
        )
    _as_function(model)  # refuses what cannot be called alike
    return Entrant(name, model, _digest(model))


def _name_of(model: Any) -> str:
    return str(_owner(model).__qualname__).replace("<locals>.", "")


def _is_network(model: Any) -> bool:
    torch: Any = sys.modules.get("torch")  # a class of torch.nn has loaded it
    return torch is not None and isinstance(model, type) and issubclass(model, torch.nn.Module)


def _is_estimator(model: Any) -> bool:
    return all(callable(getattr(model, name, None)) for name in ("fit", "predict"))


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
    except TypeError as error:
        raise TypeError(
            f"the model {_name_of(model)!r} must be a function (known, split, stimuli) that may "
            f"also take seed and checkpoint; {error}"
        ) from None
    return model  # type: ignore[no-any-return]


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
            out[neurons] = rows.reshape(*x_test.shape[:2], -1).transpose(2, 0, 1)
        return out

    return fit_and_predict


def features(ds: xr.Dataset) -> Floats:
    """The spectrogram now and up to 100 ms ago. [shape: (stimulus, time, freq * lag)]."""
    sound = ds["spectrogram"].transpose("stimulus", "time", "freq")
    n_lags = max(1, round(_LAGS_MS / schema.bin_width_ms(ds)))
    quiet = silence(sound) or 0.0
    padded = np.pad(sound.values, ((0, 0), (n_lags - 1, 0), (0, 0)), constant_values=quiet)
    lagged = np.lib.stride_tricks.sliding_window_view(padded, n_lags, axis=1)[..., ::-1]
    return lagged.transpose(0, 1, 3, 2).reshape(*sound.shape[:2], -1)


def _digest(model: Any) -> str:
    """Of the code of a model, of its own modules, and of its state."""
    import cloudpickle

    found = hashlib.sha256()
    module = sys.modules.get(_owner(model).__module__)
    package = sys.modules.get(str(getattr(module, "__name__", "")).partition(".")[0])
    found.update(str(getattr(package, "__version__", "")).encode())
    for one in (*_local_modules(model), module):
        if (file := getattr(one, "__file__", None)) is not None:
            found.update(Path(file).read_bytes())
    # By name if it is in a module, by its code otherwise; the script that runs counts with its
    # file, since classes in it are pickled with a random number.
    script = getattr(module, "__name__", "") == "__main__" and hasattr(module, "__file__")
    found.update(_name_of(model).encode() if script else cloudpickle.dumps(model))
    return found.hexdigest()


def _owner(model: Any) -> Any:
    return model if hasattr(model, "__qualname__") else type(model)


def _local_modules(model: Any) -> list[ModuleType]:
    """The module of a model and the others of its folder or package, unless it is installed."""
    module = sys.modules.get(_owner(model).__module__)
    file = getattr(module, "__file__", None)
    if module is None or file is None or module.__name__ == "__main__":
        return []
    package = sys.modules[module.__name__.partition(".")[0]]
    paths = sysconfig.get_paths()
    installed = [Path(paths[name]) for name in ("purelib", "platlib", "stdlib")]
    if package.__name__ == "aa1xr" or any(Path(file).is_relative_to(p) for p in installed):
        return []
    folder = Path(str(getattr(package, "__file__", None) or file)).parent
    others = [
        each
        for name, each in sys.modules.items()
        if name != "__main__"
        and Path(str(getattr(each, "__file__", None) or "/")).is_relative_to(folder)
        and not any(Path(str(each.__file__)).is_relative_to(p) for p in installed)
    ]
    return sorted(others, key=lambda each: each.__name__)
