"""What a page shows: in its URL, and as lines of Python."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from typing import Any
from urllib.parse import parse_qsl, urlencode

from aa1xr.printable import printable

#: Neurons that are compared; one colour each.
MOST_NEURONS = 4
#: Bin widths of the PSTH, and windows of its smoothing, in ms.
BIN_WIDTHS = (1.0, 2.0, 5.0, 10.0, 20.0, 50.0)
SMOOTHING = (0.0, 11.0, 21.0, 51.0, 101.0, 201.0)
#: The longest time in ms before the onset and after the end of the stimulus.
MOST_MS = 2000
#: Names in a URL that are not of the state: the theme is Panel's.
_OTHERS = {"theme"}
_MOST_FIELDS = 50


@dataclass(frozen=True, kw_only=True)
class Choices:
    """What the data offer."""

    neurons: tuple[str, ...]
    stimuli: tuple[str, ...]
    n_trials: int
    measures: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class State:
    """All that is selected on a page."""

    neurons: tuple[str, ...]  #: one to four, each with a colour
    stimulus: str
    dt_ms: float = 5.0
    smooth_ms: float = 0.0  #: full width of the Hann window; 0: the PSTH is not smoothed
    before_ms: int = 250
    after_ms: int = 250
    trials: tuple[int, int] | None = None  #: first and last position along `trial`; None: all
    sort: str = "rate_driven"  #: measure by which the population is sorted
    strf: bool = False  #: whether the STRF and the prediction are shown

    def to_query(self) -> str:
        """The query of the URL: neurons and stimulus, and what is not as it is by default."""
        parts = [("neuron", name) for name in self.neurons] + [("stimulus", self.stimulus)]
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in ("neurons", "stimulus") or value == field.default:
                continue
            if field.name == "trials":
                value = f"{value[0]}-{value[1]}"
            elif isinstance(value, bool):
                value = int(value)
            parts.append((field.name, f"{value:g}" if isinstance(value, float) else str(value)))
        return urlencode(parts)

    def to_python(self, source: str | None) -> str:
        """Lines of Python that give the curves on the page.

        >>> state = State(neurons=("sim0000_1_A",), stimulus="flatrip-00", smooth_ms=21.0)
        >>> print(state.to_python("aa1.zarr"))
        ds = aa1xr.open('aa1.zarr', dt_ms=5, before_ms=250, after_ms=250)
        rate = aa1xr.smooth(ds.psth.sel(neuron=['sim0000_1_A'], stimulus='flatrip-00'), 21)
        """
        place = "" if source is None else f"{source!r}, "
        opened = (
            f"aa1xr.open({place}dt_ms={self.dt_ms:g}, before_ms={self.before_ms}, "
            f"after_ms={self.after_ms})"
        )
        if self.trials is not None:
            opened += f".aa1.take_trials(slice({self.trials[0]}, {self.trials[1] + 1}))"
        rate = f"ds.psth.sel(neuron={list(self.neurons)!r}, stimulus={self.stimulus!r})"
        if self.smooth_ms:
            rate = f"aa1xr.smooth({rate}, {self.smooth_ms:g})"
        return f"ds = {opened}\nrate = {rate}"


def first_state(choices: Choices) -> State:
    """What a page shows if its URL says nothing."""
    sort = State.sort if State.sort in choices.measures else choices.measures[0]
    return State(neurons=choices.neurons[:1], stimulus=choices.stimuli[0], sort=sort)


def read_query(query: str, choices: Choices) -> tuple[State, list[str]]:
    """The state that a URL asks for, and what is wrong with it.

    Parts that are wrong are as by default; the messages say which, and are escaped for a terminal,
    not for HTML.
    """
    default = first_state(choices)
    try:
        pairs = parse_qsl(
            query.lstrip("?"),
            keep_blank_values=True,
            max_num_fields=_MOST_FIELDS,
            encoding="utf-8",
            errors="replace",
        )
    except ValueError:
        return default, [f"the URL must have at most {_MOST_FIELDS} parts; it was not read"]
    found: dict[str, list[str]] = {}
    for name, value in pairs:
        found.setdefault(name, []).append(value)
    problems: list[str] = []
    wanted: dict[str, Any] = {}
    if "neuron" in found:
        names = tuple(dict.fromkeys(found.pop("neuron")))
        known = tuple(name for name in names if name in choices.neurons)
        problems += [f"neuron: there is no {_shown(name)}" for name in names if name not in known]
        if len(known) > MOST_NEURONS:
            problems.append(f"neuron: at most {MOST_NEURONS} are shown; got {len(known)}")
        if known:
            wanted["neurons"] = known[:MOST_NEURONS]
    for name, read in _READERS.items():
        if name not in found:
            continue
        values = found.pop(name)
        try:
            if len(values) > 1:
                raise ValueError("must be given once")
            wanted[name] = read(values[0], choices)
        except ValueError as error:
            problems.append(f"{name}={_shown(values[0])} {error}")
    problems += [f"{_shown(name)}: there is no such option" for name in found.keys() - _OTHERS]
    return replace(default, **wanted), problems


def _shown(text: str) -> str:
    return printable(repr(text), longest=60)


def _one_of(options: tuple[Any, ...], kind: Callable[[str], Any]) -> Callable[[str, Choices], Any]:
    def read(text: str, choices: Choices) -> Any:
        del choices
        try:
            value = kind(text)
        except ValueError:
            value = None
        if value not in options:
            raise ValueError(f"must be one of {', '.join(f'{each:g}' for each in options)}")
        return value

    return read


def _milliseconds(text: str, choices: Choices) -> int:
    del choices
    if not (text.isascii() and text.isdigit() and len(text) <= 4 and int(text) <= MOST_MS):
        raise ValueError(f"must be a whole number from 0 to {MOST_MS}")
    return int(text)


def _trials(text: str, choices: Choices) -> tuple[int, int] | None:
    first, dash, last = text.partition("-")
    plain = all(part.isascii() and part.isdigit() and len(part) <= 6 for part in (first, last))
    if not (dash and plain and int(first) <= int(last) < choices.n_trials):
        raise ValueError(f"must be FIRST-LAST, from 0 to {choices.n_trials - 1}")
    chosen = int(first), int(last)
    return None if chosen == (0, choices.n_trials - 1) else chosen


def _stimulus(text: str, choices: Choices) -> str:
    if text not in choices.stimuli:
        raise ValueError(f"must be one of the {len(choices.stimuli)} stimuli")
    return text


def _measure(text: str, choices: Choices) -> str:
    if text not in choices.measures:
        raise ValueError(f"must be one of {', '.join(choices.measures)}")
    return text


def _flag(text: str, choices: Choices) -> bool:
    del choices
    if text not in {"0", "1"}:
        raise ValueError("must be 0 or 1")
    return text == "1"


_READERS: dict[str, Callable[[str, Choices], Any]] = {
    "stimulus": _stimulus,
    "dt_ms": _one_of(BIN_WIDTHS, float),
    "smooth_ms": _one_of(SMOOTHING, float),
    "before_ms": _milliseconds,
    "after_ms": _milliseconds,
    "trials": _trials,
    "sort": _measure,
    "strf": _flag,
}
