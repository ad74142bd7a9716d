"""One page: tables, controls and pictures, and what happens when they change."""

from __future__ import annotations

import base64
import contextlib
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from html import escape
from typing import Any

import numpy as np
import panel as pn
import panel.models.tabulator  # what pn.extension loads; which writes into the cell of a notebook
from bokeh.events import ConnectionLost, Tap
from bokeh.models import ColumnDataSource, CustomJS
from bokeh.models.widgets.tables import NumberFormatter

from aa1xr.explorer.data import SHOWN, Data
from aa1xr.explorer.figures import Figures
from aa1xr.explorer.state import (
    BIN_WIDTHS,
    MOST_MS,
    MOST_NEURONS,
    SMOOTHING,
    State,
    read_query,
)
from aa1xr.printable import file_name, printable

#: Play a wav file, and move the cursors with it; an empty one stops.
_PLAY = """
const old = window.aa1xr_audio
if (old) { old.pause(); window.aa1xr_audio = null }
const show = (visible) => cursors.forEach((cursor) => { cursor.visible = visible })
const [wav, start] = [source.data.wav[0], source.data.start[0]]
if (!wav) { show(false); return }
const audio = new Audio(wav)
window.aa1xr_audio = audio
const step = () => {
  if (window.aa1xr_audio !== audio) { return }
  cursors.forEach((cursor) => { cursor.location = start + audio.currentTime })
  if (audio.ended) { show(false) } else { setTimeout(() => requestAnimationFrame(step), 30) }
}
audio.play().then(() => { show(true); step() }).catch((error) => {
  show(false); document.title = document.title; console.warn("aa1xr: no sound:", error.message)
})
"""
_SAVE = """
const view = Bokeh.index.find_one(grid)
const layer = view.export(kind)
layer.to_blob().then((blob) => {
  const link = document.createElement("a")
  link.href = URL.createObjectURL(blob)
  link.download = `${grid.name}.${kind}`
  link.click()
})
"""
_COPY = "navigator.clipboard.writeText(text.text)"
_GONE = """
const banner = document.createElement("div")
banner.id = "aa1xr-gone"
banner.textContent = "The explorer has stopped: start it again, and open the new address. " +
  "The part of this address after the question mark selects the same."
banner.style.cssText = "position:fixed;top:0;left:0;right:0;z-index:9999;padding:10px;" +
  "background:#b3261e;color:white;font:15px sans-serif;text-align:center"
if (!document.getElementById("aa1xr-gone")) { document.body.append(banner) }
"""
_TABLE_CSS = """
:host .tabulator { font-size: 12px; }
:host .tabulator .tabulator-row.tabulator-selected { background-color: #0072B2; color: white; }
"""
_WORDS = {
    "rate_driven": "driven rate (spikes/s)",
    "rate_spontaneous": "spontaneous rate (spikes/s)",
    "rate_z": "z-score",
    "snr": "SNR",
    "ccmax": "noise ceiling (CCmax)",
    "ttrc": "trial correlation",
    "fano": "Fano factor",
    "latency": "latency (s)",
}
_FORMATS = dict.fromkeys(SHOWN, "0.00") | {
    "latency": "0.000",
    "ttrc": "0.000",
    "rate_driven": "0.0",
    "rate_spontaneous": "0.0",
    "duration_s": "0.00",
}


class _Table(pn.widgets.Tabulator):  # type: ignore[misc] # Panel has no types
    #: ms until a click has an effect, 50 otherwise.
    _debounce = 1


class Page:
    """The page of one session."""

    def __init__(self, data: Data, *, source: str | None) -> None:
        self.data = data
        self.source = source
        theme = "dark" if pn.config.theme == "dark" else "default"
        self.figures = Figures(theme)
        location = pn.state.location
        self.state, problems = read_query(location.search if location else "", data.choices)
        self.positions = {name: k for k, name in enumerate(data.choices.neurons)}
        self._shown: State | None = None
        self._busy = False
        self._make_widgets()
        self.problem = pn.pane.HTML("", sizing_mode="stretch_width")
        self._say(problems)
        self._update(self.state)

    def _make_widgets(self) -> None:
        data, state = self.data, self.state
        self.neurons = _table(data.neurons(), 300)
        self.neurons.selection = [self.positions[name] for name in state.neurons]
        self.stimuli = _table(data.stimuli(), 180)
        self.stimuli.selection = [data.choices.stimuli.index(state.stimulus)]
        slider: dict[str, Any] = {"sizing_mode": "stretch_width", "margin": (4, 8)}
        self.dt = pn.widgets.DiscreteSlider(
            label="bin width (ms)", options=list(BIN_WIDTHS), value=state.dt_ms, **slider
        )
        self.smooth = pn.widgets.DiscreteSlider(
            label="smoothing: Hann window (ms)",
            options=list(SMOOTHING),
            value=state.smooth_ms,
            **slider,
        )
        self.window = pn.widgets.RangeSlider(
            label="window: before onset, after end (ms)",
            start=-MOST_MS,
            end=MOST_MS,
            step=50,
            value=(-state.before_ms, state.after_ms),
            format="0",
            **slider,
        )
        last = data.choices.n_trials - 1
        self.trials = pn.widgets.IntRangeSlider(
            label="trials",
            start=0,
            end=max(last, 1),
            value=state.trials or (0, last),
            disabled=last == 0,
            **slider,
        )
        self.sort = pn.widgets.Select(
            label="sort the population by",
            options={_WORDS[name]: name for name in data.choices.measures},
            value=state.sort,
            **slider,
        )
        self.strf = pn.widgets.Checkbox(label="STRF and prediction", value=state.strf)
        button: dict[str, Any] = {"margin": (4, 3), "height": 32}
        self.previous = pn.widgets.Button(label="◀ neuron", **button)
        self.next = pn.widgets.Button(label="neuron ▶", **button)
        self.play = pn.widgets.Button(label="▶ sound", color="primary", **button)
        self.play_spikes = pn.widgets.Button(label="▶ sound and spikes", color="primary", **button)
        self.stop = pn.widgets.Button(label="■", **button)
        self.save = {
            kind: pn.widgets.Button(label=f"save as {kind.upper()}", **button)
            for kind in ("png", "svg")
        }
        self.copy = pn.widgets.Button(label="copy", **button)
        self.header = pn.pane.HTML("", sizing_mode="stretch_width")
        self.about = pn.pane.HTML("", sizing_mode="stretch_width", margin=(0, 8))
        self.python = pn.widgets.StaticText(visible=False)
        self.code = pn.pane.HTML("", sizing_mode="stretch_width")
        self.player = ColumnDataSource({"wav": [""], "start": [0.0]}, name="player")
        self.player.js_on_change(
            "data", CustomJS(args={"source": self.player, "cursors": self.figures.cursors},
                             code=_PLAY)
        )  # fmt: skip
        # Only what belongs to a figure reaches the browser.
        self.figures.sound.tags = [self.player]
        for kind, save in self.save.items():
            save.js_on_click(args={"grid": self.figures.grid, "kind": kind}, code=_SAVE)
        self.copy.js_on_click(args={"text": self.python}, code=_COPY)

        for widget, change in (
            (self.dt, lambda value: {"dt_ms": value}),
            (self.smooth, lambda value: {"smooth_ms": value}),
            (self.window, self._window),
            (self.trials, lambda value: {"trials": None if value == (0, last) else value}),
            (self.sort, lambda value: {"sort": value}),
            (self.strf, lambda value: {"strf": value}),
        ):
            name = "value_throttled" if "value_throttled" in widget.param else "value"
            widget.param.watch(lambda event, f=change: self._change(**f(event.new)), name)
        self.neurons.param.watch(self._select_neurons, "selection")
        self.stimuli.param.watch(self._select_stimulus, "selection")
        self.figures.population.on_event(Tap, self._pick)
        self.previous.on_click(lambda _: self._step(-1))
        self.next.on_click(lambda _: self._step(1))
        self.play.on_click(lambda _: self._play(spikes=False))
        self.play_spikes.on_click(lambda _: self._play(spikes=True))
        self.stop.on_click(lambda _: self.player.update(data={"wav": [""], "start": [0.0]}))

    def view(self) -> pn.viewable.Viewable:
        """The page as one object of Panel."""
        if (document := pn.state.curdoc) is not None:
            document.js_on_event(ConnectionLost, CustomJS(code=_GONE))
            document.title = "aa1xr explore"
        self.field_pane = pn.pane.Bokeh(self.figures.field, sizing_mode="stretch_width")
        self.field_pane.visible = self.state.strf
        left = pn.Column(
            self.neurons,
            pn.Row(self.previous, self.next, self.strf),
            self.stimuli,
            self.dt,
            self.smooth,
            self.window,
            self.trials,
            self.sort,
            self.about,
            self.field_pane,
            styles={"flex": "1 1 420px", "min-width": "340px"},
            margin=(0, 10, 0, 0),
        )
        right = pn.Column(
            self.header,
            pn.Row(self.play, self.play_spikes, self.stop, *self.save.values()),
            pn.pane.Bokeh(self.figures.grid, sizing_mode="stretch_width"),
            pn.Row(self.code, self.copy, self.python, sizing_mode="stretch_width"),
            styles={"flex": "3 1 560px", "min-width": "0"},
        )
        return pn.Column(
            self.problem,
            pn.FlexBox(left, right, sizing_mode="stretch_width"),
            sizing_mode="stretch_width",
            margin=10,
        )

    def _window(self, value: tuple[float, float]) -> dict[str, Any]:
        before, after = -round(value[0]), round(value[1])
        return {"before_ms": max(before, 0), "after_ms": max(after, 0)}

    def _select_neurons(self, event: Any) -> None:
        if self._busy:
            return
        new = list(event.new)
        # The first keeps its place and its colour; of more than four the oldest go.
        kept = [k for k in map(self.positions.get, self.state.neurons) if k in new]
        chosen = [*kept, *(k for k in new if k not in kept)][-MOST_NEURONS:]
        if len(chosen) < len(new) or not chosen:
            with self._quietly():
                chosen = chosen or [self.positions[name] for name in self.state.neurons]
                self.neurons.selection = chosen
        self._change(neurons=tuple(self.data.choices.neurons[k] for k in chosen))

    def _select_stimulus(self, event: Any) -> None:
        if self._busy:
            return
        stimuli = self.data.choices.stimuli
        chosen = [k for k in event.new if stimuli[k] != self.state.stimulus] or event.new
        if len(event.new) != 1:
            with self._quietly():
                self.stimuli.selection = [*chosen, stimuli.index(self.state.stimulus)][:1]
        if chosen:
            self._change(stimulus=stimuli[chosen[0]])

    def _step(self, by: int) -> None:
        """Go to the next neuron in the table, as it is sorted and filtered."""
        order = list(self.neurons.current_view.index)
        here = self.positions[self.state.neurons[0]]
        if order:
            at = (order.index(here) + by) % len(order) if here in order else 0
            self.neurons.selection = [order[at]]

    def _pick(self, event: Any) -> None:
        """Go to the neuron whose row of the population was clicked."""
        order = self.data.order(self.state.sort).tolist()
        row = len(order) - 1 - int(event.y) if event.y is not None else -1
        if 0 <= row < len(order):
            self.neurons.selection = [order[row]]

    @contextlib.contextmanager
    def _quietly(self) -> Iterator[None]:
        """Set a selection without listening to it."""
        self._busy = True
        try:
            yield
        finally:
            self._busy = False

    def _change(self, **parts: Any) -> None:
        new = replace(self.state, **parts)
        if new == self.state:
            return
        self._say([])
        self._update(new)

    def _update(self, new: State) -> None:
        """Bring on the screen what differs from what is there."""
        self.state = new
        try:
            with pn.io.hold():
                self._draw(new, self._shown)
            self._shown = new
        except (ValueError, LookupError, OSError) as error:
            self._shown = None
            self._say([str(error)])

    def _draw(self, new: State, old: State | None) -> None:
        def changed(*names: str) -> bool:
            return old is None or any(getattr(new, n) != getattr(old, n) for n in names)

        of_rate = ("stimulus", "dt_ms", "smooth_ms", "before_ms", "after_ms", "trials")
        if changed("stimulus", "before_ms", "after_ms"):
            self.figures.show_sound(self.data.sound(new))
        if changed("neurons", *of_rate):
            responses = [self.data.response(new, name) for name in new.neurons]
            self.figures.show_responses([_plain(name) for name in new.neurons], responses)
            self.figures.show_title(*self._caption(new))
            self.header.object = self._title(
                [0 if each is None else each.trials.size for each in responses]
            )
        if changed("sort", *of_rate):
            order = self.data.order(new.sort)
            edges, rate = self.data.population(new)
            self.figures.show_population(edges, rate[order], self._rows(new))
        elif changed("neurons"):
            self.figures.mark_population(len(self.positions), self._rows(new))
        if changed("neurons", "stimulus", "strf", "smooth_ms"):
            self._draw_field()
        if pn.state.location is not None:
            parts = [new.to_query()] + (["theme=dark"] if pn.config.theme == "dark" else [])
            pn.state.location.search = "?" + "&".join(parts)
        code = new.to_python(self.source)
        self.python.value = f"import aa1xr\n\n{code}\n"
        self.code.object = (
            f"<pre style='margin:4px 0;white-space:pre-wrap;font-size:12px'>{escape(code)}</pre>"
        )

    def _rows(self, state: State) -> dict[int, str]:
        """The rows of the neurons in the population, with their colours."""
        order = self.data.order(state.sort).tolist()
        rows = (order.index(self.positions[name]) for name in state.neurons)
        return dict(zip(rows, self.figures.colours, strict=False))

    def _caption(self, state: State) -> tuple[str, str]:
        """The title of a saved picture, and the name of its file."""
        smoothed = f", Hann window of {state.smooth_ms:g} ms" if state.smooth_ms else ""
        trials = f", trials {state.trials[0]} to {state.trials[1]}" if state.trials else ""
        stimulus = _plain(state.stimulus)
        text = f"{stimulus}: {', '.join(map(_plain, state.neurons))}; bins of {state.dt_ms:g} ms"
        return text + smoothed + trials, file_name(f"{'_'.join(state.neurons)}_{stimulus}")

    def _title(self, n_trials: list[int]) -> str:
        parts = []
        table = self.neurons.value
        for name, colour, n in zip(
            self.state.neurons, self.figures.colours, n_trials, strict=False
        ):
            area = table["area"].iloc[self.positions[name]] if "area" in table else ""
            trials = f"{n} trials" if n else "not presented in these trials"
            parts.append(
                f"<span style='color:{colour};white-space:nowrap'>■ "
                f"<b>{_text(name)}</b></span> {_text(area)}, {trials}"
            )
        return (
            f"<div style='font-size:15px'><b>{_text(self.state.stimulus)}</b> &nbsp; "
            + " &nbsp; ".join(parts)
            + "</div>"
        )

    def _draw_field(self) -> None:
        if hasattr(self, "field_pane"):
            self.field_pane.visible = self.state.strf
        if not self.state.strf:
            self.figures.show_field(None)
            self.about.object = ""
            return
        neuron = self.state.neurons[0]
        field = self.data.field(self.state, neuron)
        if isinstance(field, Future):
            self.figures.show_field(None)
            self.about.object = "<i>fitting STRFs ...</i>"
            document = pn.state.curdoc
            if document is not None:
                field.add_done_callback(lambda _: _later(document, self._draw_field))
        elif isinstance(field, str):
            self.figures.show_field(None)
            self.about.object = _text(field)
        else:
            self.figures.show_field(field)
            best, latency = field.tuning["best_frequency"], field.tuning["latency"]
            self.about.object = (
                f"STRF of <b>{_text(neuron)}</b>, fitted to all trials in bins of 5 ms without "
                f"{_text(self.state.stimulus)} (spikes/s): best frequency "
                f"{_number(best / 1000, '.2f')} kHz, latency {_number(1000 * latency, '.0f')} ms. "
                "The dashed line is the prediction, smoothed as the PSTH is; unsmoothed, "
                f"its cc_norm is {_number(field.cc_norm, '.2f')} over all stimuli of the type."
            )

    def _play(self, *, spikes: bool) -> None:
        try:
            wav, start = self.data.wav(self.state, spikes=spikes)
        except (ValueError, LookupError, OSError) as error:
            self._say([str(error)])
            return
        uri = "data:audio/wav;base64," + base64.b64encode(wav).decode("ascii")
        self.player.data = {"wav": [uri], "start": [start]}

    def _say(self, problems: list[str]) -> None:
        self.problem.object = (
            "<div class='aa1xr-problem' style='background:#fff3cd;color:#5c4400;padding:6px 10px;"
            "border-radius:4px'>" + "<br>".join(map(_text, problems)) + "</div>"
            if problems
            else ""
        )
        self.problem.visible = bool(problems)


def make_page(data: Data, *, source: str | None) -> pn.viewable.Viewable:
    """The page of a new session."""
    try:
        return Page(data, source=source).view()
    except (ValueError, LookupError, OSError) as error:
        # Such as of a store that was removed; a page without anything would not say it.
        return pn.pane.HTML(f"<p>{_text(error)}</p><p>Start the explorer again.</p>")


def _later(document: Any, call: Any) -> None:
    # The page may be closed by then.
    with contextlib.suppress(Exception):
        document.add_next_tick_callback(call)


def _table(frame: Any, height: int) -> Any:
    formats = {
        name: NumberFormatter(format=_FORMATS[name], nan_format="-", text_align="right")
        for name in frame.columns
        if name in _FORMATS
    }
    filters = {
        name: {"type": "input", "func": "like", "placeholder": "filter"}
        if frame[name].dtype.kind in "OUST"
        else {"type": "number", "func": ">=", "placeholder": "min"}
        for name in frame.columns
    }
    first = list(frame.columns[:1])
    wanted = ["area", "type", "trials", *SHOWN, "duration_s", "neurons", "stimuli"]
    front = [name for name in wanted if name in frame.columns]
    others = [name for name in frame.columns if name not in {*first, *front}]
    return _Table(
        frame[[*first, *front, *others]],
        height=height,
        show_index=False,
        disabled=True,
        selectable=True,
        titles={name: _text(name) for name in frame.columns},  # Tabulator reads titles as HTML
        header_filters=filters,
        formatters=formats,
        frozen_columns=first,
        layout="fit_data",
        theme="midnight" if pn.config.theme == "dark" else "simple",
        sizing_mode="stretch_width",
        stylesheets=[_TABLE_CSS],
    )


def _text(text: object) -> str:
    """A text from the data or a URL, for HTML."""
    return escape(_plain(text))


def _plain(text: object) -> str:
    """A text from the data or a URL, for a picture."""
    return printable(text, longest=300)


def _number(value: float, form: str) -> str:
    return f"{value:{form}}" if np.isfinite(value) else "undefined"
