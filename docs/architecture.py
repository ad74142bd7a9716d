"""Draw the two pictures of docs/architecture.md from the source code of the package.

`python docs/architecture.py` writes them again; a test compares them with the code.
"""

import ast
from html import escape
from itertools import pairwise
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[1] / "aa1xr"
PICTURES = Path(__file__).parent / "_static"

#: The data path: a title, and steps (module, function or class, what it does). A step without a
#: module is data.
DATA_PATH = [
    (
        "aa1xr.open(...), the first time: from the archive to the store",
        [
            ("", "spike3", "text file of the archive: one line of spike times per trial"),
            ("archive.files", "open_files", "reads a zip in place, or a folder"),
            ("archive.parse", "parse_spikes", "text to integer microseconds"),
            ("archive.read", "Archive.cells", "all responses, neuron by neuron"),
            ("archive.compare", "Comparison", "compares them with the contents of AA1"),
            ("store.blocks", "read_blocks", "groups neurons into blocks"),
            ("store.build", "build_store", "writes the store, atomically"),
            ("", "aa1.zarr", "spike_time, row_size, n_trials, waveforms, labels"),
        ],
    ),
    (
        "aa1xr.open(...), every time: from the store to the Dataset",
        [
            ("", "aa1.zarr", "a folder, a URL, or a zarr store"),
            ("store.locate", "find_store", "finds the store, or builds it"),
            ("store.validate", "check_arrays", "compares the metadata with the layout"),
            ("store.read", "Store.labels", "reads the labels, and nothing else"),
            ("dataset.grid", "make_grid", "edges of the bins, in integers"),
            ("dataset.engine", "AA1Backend.open_dataset", "variables, coordinates, attributes"),
            ("dataset.open", "divide", "divides the variables into dask blocks"),
            ("", "ds.psth", "lazy: nothing is counted yet"),
        ],
    ),
    (
        "ds.psth.compute(): from a block of the Dataset to spikes/s",
        [
            ("", "ds.psth", "dask or xarray asks for some elements"),
            ("dataset.lazy", "Psth.compute", "mean over trials, divided by bin width"),
            ("dataset.binning", "count", "counts spikes in bins"),
            ("dataset.binning", "read_spikes", "finds the spikes of these neurons"),
            ("store.read", "Store.rows", "reads a slice of spike_time"),
            ("store.connection", "Connection.array", "opens the arrays, once per process"),
            ("store.chunks", "check_chunks", "checks the size and checksum of each chunk"),
            ("", "aa1.zarr", "the chunks that hold these neurons"),
        ],
    ),
]

#: Modules at the top of the package that every other module may import.
BASE = "aa1xr/*.py"

FONT = "font-family='DejaVu Sans, Verdana, sans-serif'"
INK, FAINT, FILL, DATA, EDGE = "#1f2933", "#52606d", "#e8f1fa", "#fdf3e1", "#486581"


def find_modules() -> dict[str, Path]:
    """The modules of the package by name, `archive.read` for example."""
    return {
        ".".join(path.relative_to(PACKAGE).with_suffix("").parts): path
        for path in sorted(PACKAGE.rglob("*.py"))
        if path.stat().st_size  # an empty __init__.py only marks a folder
    }


def find_imports(path: Path, modules: dict[str, Path]) -> set[str]:
    """The modules of the package that a file imports, within functions too."""
    if path.with_suffix(".pyi").exists():  # what is imported when it is first used
        path = path.with_suffix(".pyi")
    found = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            package = "aa1xr." if node.level else ""
            names = [f"{package}{node.module or ''}.{alias.name}" for alias in node.names]
        else:
            continue
        for name in names:
            if name.split(".")[0] == "aa1xr":
                inner = name.removeprefix("aa1xr").lstrip(".")
                while inner and inner not in modules and f"{inner}.__init__" not in modules:
                    inner = inner.rpartition(".")[0]
                found.add(inner or "__init__")
    return found


def group_modules() -> tuple[dict[str, list[str]], dict[str, set[str]]]:
    """Return the modules of each group, and the groups that each group imports.

    Each folder is a group. A module outside the folders is a group of its own if it imports a
    folder or such a module; all other modules are the base.
    """
    modules = find_modules()
    imports = {name: find_imports(path, modules) for name, path in modules.items()}
    folders = {name.split(".")[0] for name in modules if "." in name}

    def above(top: str) -> bool:
        others = {other.split(".")[0] for other in imports.get(top, ())}
        return top in folders or any(map(above, others))

    def group(name: str) -> str:
        top = name.split(".", maxsplit=1)[0]
        return top if above(top) else BASE

    groups: dict[str, list[str]] = {}
    for name in modules:
        groups.setdefault(group(name), []).append(name.rpartition(".")[2])
    edges: dict[str, set[str]] = {name: set() for name in groups}
    for name, others in imports.items():
        edges[group(name)] |= {group(other) for other in others} - {group(name)}
    return groups, edges


def reduce_edges(edges: dict[str, set[str]]) -> dict[str, set[str]]:
    """Leave out each arrow that a path of other arrows implies."""

    def reached(start: str) -> set[str]:
        return set().union(*({other} | reached(other) for other in edges[start]))

    return {
        name: {
            other for other in others if not any(other in reached(between) for between in others)
        }
        for name, others in edges.items()
    }


def check_data_path() -> None:
    """Raise an error if a step of DATA_PATH names a function that does not exist."""
    modules = find_modules()
    for _, steps in DATA_PATH:
        for module, function, _ in steps:
            if not module:
                continue
            if module not in modules:
                raise ValueError(f"DATA_PATH must name modules of aa1xr; got {module!r}")
            nodes = ast.parse(modules[module].read_text(encoding="utf-8")).body
            for part in function.split("."):
                named = [n for n in nodes if getattr(n, "name", None) == part]
                if not named:
                    raise ValueError(f"DATA_PATH must name functions; {module} has no {function!r}")
                nodes = named[0].body


def wrap(words: list[str], width: int) -> list[str]:
    """Join words to lines of at most `width` characters."""
    lines = [""]
    for word in words:
        if lines[-1] and len(lines[-1]) + 1 + len(word) > width:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return lines


def box(x: float, y: float, w: float, h: float, fill: str, title: str, lines: list[str]) -> str:
    """A rectangle with a title and lines of text."""
    middle = f"x='{x + w / 2:g}' text-anchor='middle' {FONT}"
    rows = [f"<text {middle} y='{y + 19:g}' font-size='13' font-weight='bold' fill='{INK}'>{title}"]
    rows += [
        f"<text {middle} y='{y + 36 + 15 * n:g}' font-size='11' fill='{FAINT}'>{escape(line)}"
        for n, line in enumerate(lines)
    ]
    frame = f"<rect x='{x:g}' y='{y:g}' width='{w:g}' height='{h:g}' rx='6' fill='{fill}'"
    return "\n".join([f"{frame} stroke='{EDGE}'/>", *(f"{row}</text>" for row in rows)])


def arrow(x1: float, y1: float, x2: float, y2: float) -> str:
    """An arrow: straight to the side, curved from row to row."""
    bend = 0 if y1 == y2 else (y2 - y1) * 0.5
    return path(f"M{x1:g},{y1:g} C{x1:g},{y1 + bend:g} {x2:g},{y2 - bend:g} {x2:g},{y2:g}")


def path(commands: str) -> str:
    """A line with a head."""
    return f"<path d='{commands}' fill='none' stroke='{EDGE}' marker-end='url(#head)'/>"


def picture(width: float, height: float, title: str, parts: list[str]) -> str:
    """The text of an SVG file."""
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 {width:g} {height:g}' "
        f"width='{width:g}' height='{height:g}' role='img'>\n<title>{escape(title)}</title>\n"
        "<defs><marker id='head' viewBox='0 0 8 8' refX='7' refY='4' markerWidth='7' "
        f"markerHeight='7' orient='auto'><path d='M0,0 L8,4 L0,8 z' fill='{EDGE}'/></marker>"
        "</defs>\n"
        f"<rect width='{width:g}' height='{height:g}' rx='8' fill='white'/>\n"
        + "\n".join(parts)
        + "\n</svg>\n"
    )


def draw_data_path() -> str:
    """Draw the data path."""
    check_data_path()
    w, h, gap, top = 200, 92, 36, 50
    columns = 4
    parts, y = [], 12.0
    for title, steps in DATA_PATH:
        parts.append(
            f"<text x='20' y='{y + 20:g}' font-size='15' font-weight='bold' fill='{INK}' {FONT}>"
            f"{escape(title)}</text>"
        )
        places = []
        for n, (module, function, what) in enumerate(steps):
            row, column = divmod(n, columns)
            column = columns - 1 - column if row % 2 else column  # back and forth
            px, py = 20 + column * (w + gap), y + top - 12 + row * (h + 34)
            places.append((px, py))
            lines = ([function] if module else []) + wrap(what.split(), 30)
            parts.append(box(px, py, w, h, FILL if module else DATA, module or function, lines))
        for (x1, y1), (x2, y2) in pairwise(places):
            if y1 != y2:
                parts.append(arrow(x1 + w / 2, y1 + h, x2 + w / 2, y2 - 2))
            elif x2 > x1:
                parts.append(arrow(x1 + w, y1 + h / 2, x2 - 2, y2 + h / 2))
            else:
                parts.append(arrow(x1, y1 + h / 2, x2 + w + 2, y2 + h / 2))
        y = places[-1][1] + h + 30
    width = 40 + columns * w + (columns - 1) * gap
    return picture(width, y, "The data path from a spike file to ds.psth.compute()", parts)


def draw_modules() -> str:
    """Draw the groups of modules and their imports."""
    groups, edges = group_modules()
    arrows = reduce_edges(edges)

    def depth(name: str) -> int:
        return 1 + max((depth(other) for other in edges[name]), default=-1)

    rows: dict[int, list[str]] = {}
    for name in sorted(groups, key=lambda name: (name == "simulation", name)):
        rows.setdefault(depth(name), []).append(name)
    width, gap = 940.0, 40.0
    places: dict[str, tuple[float, float, float, float]] = {}
    boxes, arrows_drawn, y = [], [], 16.0
    for level in sorted(rows, reverse=True):
        names = rows[level]
        texts = {}
        for name in names:
            modules = [] if groups[name] == [name] else groups[name]
            modules = [module for module in modules if module != "__init__"]
            modules = [f"{module}," for module in modules[:-1]] + modules[-1:]
            texts[name] = wrap(modules, 92 if len(names) == 1 else 46) if modules else []
        widths = {
            name: max(90, 8.5 * len(name) + 30, *(6.2 * len(line) + 24 for line in lines or [""]))
            for name, lines in texts.items()
        }
        heights = {
            name: 30 + 15 * len(lines) + (4 if lines else 0) for name, lines in texts.items()
        }
        x = (width - sum(widths.values()) - gap * (len(names) - 1)) / 2
        for name in names:
            title = f"{name}/" if (PACKAGE / name).is_dir() else name
            fill = DATA if name == BASE else FILL
            boxes.append(box(x, y, widths[name], heights[name], fill, title, texts[name]))
            places[name] = (x, y, widths[name], heights[name])
            x += widths[name] + gap
        y += max(heights.values()) + 44
    for name, others in sorted(arrows.items()):
        x1, y1, w1, h1 = places[name]
        targets = sorted(others, key=lambda other: places[other][0])
        for n, other in enumerate(targets, start=1):
            x2, y2, w2, _ = places[other]
            sources = sorted((o for o in arrows if other in arrows[o]), key=lambda o: places[o][0])
            at = (sources.index(name) + 1) / (len(sources) + 1)
            if depth(name) - depth(other) > 1:  # around the rows between, at the right
                y2 += places[other][3] / 2
                arrows_drawn.append(
                    path(f"M{x1 + w1:g},{y1 + h1 / 2:g} H{width - 12:g} V{y2:g} H{x2 + w2 + 2:g}")
                )
                continue
            x1_n = x1 + w1 * n / (len(targets) + 1)
            arrows_drawn.append(arrow(x1_n, y1 + h1, x2 + w2 * at, y2 - 2))
    title = "The modules of aa1xr and which folder imports which"
    return picture(width, y - 28, title, arrows_drawn + boxes)


def draw_pictures() -> dict[str, str]:
    """The pictures by the names of their files."""
    return {
        "architecture-data-path.svg": draw_data_path(),
        "architecture-modules.svg": draw_modules(),
    }


def main() -> None:
    """Write the pictures."""
    for name, text in draw_pictures().items():
        (PICTURES / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
