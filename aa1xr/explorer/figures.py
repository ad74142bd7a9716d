"""The pictures of a page: Bokeh figures on one time axis, and what is put into them."""

from __future__ import annotations

from typing import Any

import numpy as np
from bokeh.layouts import gridplot
from bokeh.models import (
    ColorBar,
    ColumnDataSource,
    FixedTicker,
    Label,
    LinearColorMapper,
    PanTool,
    Range1d,
    ResetTool,
    SaveTool,
    Span,
    WheelZoomTool,
    ZoomInTool,
    ZoomOutTool,
)
from bokeh.palettes import RdBu11, interp_palette
from bokeh.plotting import figure

from aa1xr.explorer.data import RANGE_DB, Field, Response, Sound
from aa1xr.explorer.state import MOST_NEURONS
from aa1xr.plot import panels
from aa1xr.typing import Floats

#: One for each neuron that is compared, on light and on dark ground; of Okabe & Ito, as in plots.
COLOURS = {
    "default": (panels.BLUE, panels.VERMILLION, panels.GREEN, panels.PURPLE),
    "dark": (panels.SKY, panels.ORANGE, panels.GREEN, panels.PURPLE),
}
_INK = {"default": "#555555", "dark": "#bbbbbb"}
_GROUND = {"default": "#ffffff", "dark": "#121212"}
_MARKS_KHZ = (0.25, 0.5, 1, 2, 4, 8)
#: Bokeh 3.9 never returns from painting an area of steps without any points.
_EMPTY: dict[str, Any] = {"x": [0.0, 0.0], "y": [0.0, 0.0]}


class Figures:
    """Figures whose contents change; they are made once for each page."""

    def __init__(self, theme: str) -> None:
        self.colours = COLOURS[theme]
        self._ink, self._ground = _INK[theme], _GROUND[theme]
        self.time = Range1d(-0.25, 2.25)
        tools = [
            PanTool(dimensions="width"),
            WheelZoomTool(dimensions="width", modifiers="ctrl"),
            "xbox_zoom",
            ZoomInTool(dimensions="width"),
            ZoomOutTool(dimensions="width"),
            ResetTool(),
        ]

        def panel(height: int, label: str, **options: Any) -> Any:
            made: Any = figure(
                height=height,
                x_range=self.time,
                tools=tools,
                y_axis_label=label,
                min_border_left=64,
                sizing_mode="stretch_width",
                **options,
            )
            made.xaxis.visible = False
            made.grid.visible = False
            made.toolbar.active_drag = tools[0]
            made.toolbar.active_scroll = tools[1]
            return made

        # What a saved picture says of itself.
        self.sound = panel(190, "kHz", y_range=Range1d(0, 1), title=" ")
        self.sound.title.text_font_size = "11px"
        self.wave = panel(80, "waveform", y_range=Range1d(-1, 1))
        self.raster = panel(190, "trial", y_range=Range1d(1, 0))
        self.rate = panel(190, "spikes/s")
        self.population = panel(260, "neurons", y_range=Range1d(0, 1))
        for each in (self.sound, self.wave, self.raster, self.population):
            # Made once: a new model makes Bokeh look through all models of the page (30 ms).
            each.yaxis.ticker = FixedTicker(ticks=[])
        self.all = [self.sound, self.wave, self.raster, self.rate, self.population]
        for low in (self.rate, self.population):
            low.xaxis.visible = True
        self.population.xaxis.axis_label = "time from stimulus onset (s)"
        self.population.height += 40
        self.rate.height += 20

        self._add_sound()
        self._add_responses()
        self._add_population()
        self._add_marks()
        self.grid = gridplot(
            [[each] for each in self.all],
            merge_tools=True,
            toolbar_location="above",
            sizing_mode="stretch_width",
            toolbar_options={"logo": None},
        )
        self._make_field()
        for each in (*self.all, self.field):
            _colour(each, ink=self._ink, ground=self._ground)

    def _add_sound(self) -> None:
        self._sound = ColumnDataSource({"image": [], "x": [], "dw": [], "dh": []})
        self._level = LinearColorMapper("Magma256", low=-RANGE_DB, high=0)
        self.sound.image("image", "x", 0, "dw", "dh", source=self._sound, color_mapper=self._level)
        self.sound.add_layout(_bar(self._level, "dB"), "right")
        self._wave = ColumnDataSource({"x": [], "low": [], "high": []})
        self.wave.varea("x", "low", "high", source=self._wave, color=self._ink)
        self.wave.yaxis.ticker.ticks = [0]

    def _add_responses(self) -> None:
        self._spikes: list[Any] = []
        self._rates: list[Any] = []
        self._names: list[Any] = []
        self._filled: set[int] = set()  #: places of neurons that have something on the screen
        for colour in self.colours:
            spikes = ColumnDataSource({"x": [], "top": [], "bottom": []})
            self.raster.segment("x", "top", "x", "bottom", source=spikes, color=colour)
            self._spikes.append(spikes)
            name = Label(
                x=2, x_units="screen", y=0, y_offset=-13, text="", text_color=colour,
                text_font_size="11px", background_fill_color=self._ground,
                background_fill_alpha=0.7,
            )  # fmt: skip
            self.raster.add_layout(name)
            self._names.append(name)
            rates = ColumnDataSource(dict(_EMPTY), name=f"rate-{len(self._rates)}")
            self.rate.varea_step(
                "x", 0, "y", source=rates, step_mode="after", fill_color=colour, fill_alpha=0.2
            )
            self.rate.step("x", "y", source=rates, mode="after", color=colour, line_width=1.2)
            self._rates.append(rates)
        self._prediction = ColumnDataSource(dict(_EMPTY))
        self.rate.step(
            "x", "y", source=self._prediction, mode="after", color=self._ink, line_width=1.6,
            line_dash=[5, 3],
        )  # fmt: skip
        self._dashed = Label(
            x=2, x_units="screen", y=148, y_units="screen", text="dashed: prediction of the STRF",
            text_color=self._ink, text_font_size="11px", visible=False,
        )  # fmt: skip
        self.rate.add_layout(self._dashed)
        self.rate.y_range.start = 0

    def _add_population(self) -> None:
        self._population = ColumnDataSource({"image": [], "x": [], "dw": [], "dh": []})
        shades = LinearColorMapper("Viridis256", low=0, high=1, nan_color="#8c8c8c")
        self.population.image(
            "image", "x", 0, "dw", "dh", source=self._population, color_mapper=shades
        )
        self.population.add_layout(_bar(shades, "of max"), "right")
        self._chosen = ColumnDataSource({"y": [], "colour": []})
        self.population.hspan("y", source=self._chosen, color="colour", line_width=2)

    def _add_marks(self) -> None:
        """Onset and end of the stimulus, and the cursor of the player."""
        ink = self._ink
        self.ends = Span(location=0, dimension="height", line_color=ink, line_dash=[4, 4])
        self.cursors = []
        for each in self.all:
            for mark in (
                Span(location=0, dimension="height", line_color=ink, line_dash=[4, 4]),
                self.ends,
            ):
                each.add_layout(mark)
            cursor = Span(location=0, dimension="height", line_color="#E69F00", line_width=2)
            cursor.visible = False
            each.add_layout(cursor)
            self.cursors.append(cursor)

    def _make_field(self) -> None:
        self.field: Any = figure(
            height=250,
            tools=[SaveTool(filename="aa1xr-strf")],
            x_axis_label="delay from sound to response (ms)",
            y_axis_label="kHz",
            x_range=Range1d(0, 100),
            y_range=Range1d(0, 1),
            sizing_mode="stretch_width",
        )
        self.field.yaxis.ticker = FixedTicker(ticks=[])
        self.field.grid.visible = False
        self.field.toolbar.logo = None
        self._field = ColumnDataSource({"image": [], "x": [], "dw": [], "dh": []})
        self._weights = LinearColorMapper(interp_palette(RdBu11, 255), low=-1, high=1)
        self.field.image(
            "image", "x", 0, "dw", "dh", source=self._field, color_mapper=self._weights
        )
        self.field.add_layout(_bar(self._weights, "spikes/s"), "right")

    def show_sound(self, sound: Sound) -> None:
        """Draw the spectrogram and the waveform."""
        n_bins = sound.level.shape[1]
        self._level.update(low=float(sound.level.max()) - RANGE_DB, high=float(sound.level.max()))
        self._sound.data = _image(sound.level, sound.start, n_bins * sound.width)
        _mark_bands(self.sound, sound.freq)
        self._wave.data = {"x": sound.times, "low": sound.low, "high": sound.high}
        largest = float(max(-sound.low.min(), sound.high.max())) or 1.0
        self.wave.y_range.update(start=-largest, end=largest)
        self.ends.location = sound.duration
        start, end = sound.start, sound.start + n_bins * sound.width
        if (self.time.reset_start, self.time.reset_end) != (start, end):
            self.time.update(
                start=start, end=end, reset_start=start, reset_end=end, bounds=(start, end)
            )

    def show_title(self, text: str, file_name: str) -> None:
        """Say what is shown, in the picture and in the name of a saved one."""
        self.sound.title.text = text
        self.grid.name = file_name

    def show_responses(self, names: list[str], responses: list[Response | None]) -> None:
        """Draw raster and PSTH of up to four neurons."""
        row, ticks = 0, {}
        for place in range(MOST_NEURONS):
            response = responses[place] if place < len(responses) else None
            text = names[place] if response is not None else ""
            if (self._names[place].text, self._names[place].y) != (text, row):
                self._names[place].update(text=text, y=row)
            if response is None:
                if place in self._filled:
                    self._spikes[place].data = {"x": [], "top": [], "bottom": []}
                    self._rates[place].data = dict(_EMPTY)
                    self._filled.remove(place)
                continue
            self._filled.add(place)
            rows = row + response.spike_rows
            self._spikes[place].data = {
                "x": response.spike_times,
                "top": rows + 0.1,
                "bottom": rows + 0.9,
            }
            # A step needs the right edge of the last bin.
            edges = np.append(response.edges, 2 * response.edges[-1:] - response.edges[-2:-1])
            self._rates[place].data = {
                "x": edges,
                "y": np.append(response.rate, response.rate[-1]),
            }
            n = response.trials.size
            for k in range(0, n, 5 if n > 6 else 2):
                ticks[row + k + 0.5] = str(response.trials[k])
            row += n
        self.raster.y_range.update(start=max(row, 1), end=0)
        _set_ticks(self.raster, ticks)

    def show_population(self, edges: Floats, rate: Floats, chosen: dict[int, str]) -> None:
        """Draw the rate of all neurons, from the top, and mark those that are chosen by row."""
        known = np.nan_to_num(rate, nan=0.0).max(1, keepdims=True)
        image = np.asarray(rate / np.where(known > 0, known, 1), np.float32)[::-1]
        width = edges[-1] - edges[0]
        width *= edges.size / max(edges.size - 1, 1)
        self._population.data = _image(image, edges[0], width)
        self.population.y_range.update(start=0, end=len(rate))
        self.mark_population(len(rate), chosen)

    def mark_population(self, n: int, chosen: dict[int, str]) -> None:
        """Mark the neurons that are chosen, by row from the top."""
        self._chosen.data = {
            "y": [n - row - 0.5 for row in chosen],
            "colour": list(chosen.values()),
        }

    def show_field(self, field: Field | None) -> None:
        """Draw the receptive field and the prediction."""
        if field is None:
            if self._field.data["x"]:
                self._field.data = {"image": [], "x": [], "dw": [], "dh": []}
                self._prediction.data = dict(_EMPTY)
                self._dashed.visible = False
            return
        largest = float(abs(field.weights).max()) or 1.0
        self._weights.update(low=-largest, high=largest)
        width = 1000 * (field.delays[1] - field.delays[0])
        left = 1000 * field.delays[0] - width / 2
        self._field.data = _image(field.weights, left, width * field.delays.size)
        self.field.x_range.update(start=left, end=left + width * field.delays.size)
        _mark_bands(self.field, field.freq)
        self._prediction.data = {"x": field.edges, "y": field.rate}
        self._dashed.visible = True


def _image(values: Any, start: float, width: float) -> dict[str, Any]:
    image = np.ascontiguousarray(values, np.float32)
    return {"image": [image], "x": [start], "dw": [width], "dh": [len(image)]}


def _colour(of: Any, *, ink: str, ground: str) -> None:
    """Colour a figure, since the themes of Bokeh do not reach it through Panel."""
    of.background_fill_color = of.border_fill_color = ground
    of.outline_line_color = None
    of.title.text_color = ink
    for axis in of.axis:
        axis.axis_line_color = axis.major_tick_line_color = axis.minor_tick_line_color = ink
        axis.major_label_text_color = axis.axis_label_text_color = ink
        axis.axis_label_text_font_style = "normal"
    for bar in of.right:
        bar.major_label_text_color = bar.title_text_color = ink


def _bar(mapper: LinearColorMapper, unit: str) -> ColorBar:
    return ColorBar(
        color_mapper=mapper,
        title=unit,
        title_text_font_size="10px",
        title_text_font_style="normal",
        width=8,
        padding=2,
        major_label_text_font_size="10px",
        background_fill_alpha=0,
    )


def _mark_bands(of: Any, freq: Floats) -> None:
    """Label bands, which are equally high, with their frequency in kHz."""
    places = {
        float(np.interp(khz * 1000, freq, np.arange(freq.size) + 0.5)): f"{khz:g}"
        for khz in _MARKS_KHZ
        if freq[0] <= khz * 1000 <= freq[-1]
    }
    _set_ticks(of, places)
    of.y_range.update(start=0, end=freq.size)


def _set_ticks(of: Any, labels: dict[float, str]) -> None:
    (axis,) = of.yaxis
    if axis.major_label_overrides != labels:
        axis.ticker.ticks = list(labels)
        axis.major_label_overrides = labels
