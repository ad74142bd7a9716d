"""Put scores into aa1xr/benchmark/scores.csv, which `aa1xr benchmark --table` prints.

python -m benchmarks.collect_scores results/cv10 results/rancon2025   # folders of --out
python -m benchmarks.collect_scores --trials crcns-aa1.zip            # means of other trials

A protocol, model, area and class of sounds that is new replaces all of its lines in the file, and
must have all splits, so that no row of the table mixes two versions: give all folders of a model at
the same time. With --partial, it replaces its own splits and seeds only, for what is trained little
by little. A spectrogram of its own makes another row. Parameters that a folder lacks are counted if
torch is there.
"""

from __future__ import annotations

import argparse
import itertools
import math
import warnings
from pathlib import Path

import pandas as pd

import aa1xr
from aa1xr.benchmark import PROTOCOLS, mean_of_trials, measured_mean_of_trials, read_scores
from aa1xr.benchmark.external import find_model
from aa1xr.benchmark.models import MODELS
from aa1xr.benchmark.run import SCORES
from aa1xr.benchmark.stored_scores import AA1, COLUMNS, score_lines, stored_scores
from aa1xr.version import VERSION

FILE = Path(aa1xr.__file__).parent / "benchmark" / "scores.csv"
_ROW = ["protocol", "model", "spectrogram", "area", "sounds"]
_KEY = [*_ROW, "split", "seed"]
#: Neurons of each area of AA1: scores of a part of it are not stored.
_NEURONS = 49
#: Draws of trials that are measured.
_DRAWS = range(2)


def main(arguments: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, prog="python -m benchmarks.collect_scores"
    )
    parser.add_argument("folders", nargs="*", metavar="FOLDER", help="of aa1xr benchmark --out")
    parser.add_argument("--trials", metavar="ARCHIVE", help="score means of other trials in it")
    parser.add_argument("--protocols", nargs="+", default=list(PROTOCOLS), help="for --trials")
    parser.add_argument("--partial", action="store_true", help="take some splits, add to others")
    parser.add_argument("--spectrogram", action="store_true", help="take other spectrograms too")
    parser.add_argument("--name", help="in the table: of the one model that is added")
    parser.add_argument("--note", default="", help="for all lines that are added")
    parser.add_argument("--file", type=Path, default=FILE, help="default: that of the package")
    args = parser.parse_args(arguments)
    found = [read_scores(folder) for folder in args.folders]
    if args.trials:
        found += [of_trials(args.trials, name) for name in args.protocols]
    if not found:
        parser.error("give a FOLDER or --trials")
    new = pd.concat(found).assign(note=args.note)
    if args.name is not None:
        if len(models := sorted(set(new["model"]))) > 1:
            parser.error(f"--name is of one model; got {', '.join(models)}")
        new = new.assign(model=args.name)
    new = chosen(with_parameters(new), partial=args.partial, spectrogram=args.spectrogram)
    if new.empty:
        print("nothing was added")
        return
    old = stored_scores() if args.file == FILE and FILE.exists() else None
    lines = new if old is None else merged(old, new, by=_KEY if args.partial else _ROW)
    write(lines, args.file)
    for row, lines in new.groupby(_ROW):
        print(f"{_said(row)}: {len(lines)} lines, CCnorm {100 * lines.cc_norm.mean():.1f}")


def of_trials(archive: str, protocol: str) -> pd.DataFrame:
    """Lines of the mean of 1, 5 and 10 other trials, and of the noise ceiling."""
    ds = aa1xr.open(archive, **PROTOCOLS[protocol].options)
    results = mean_of_trials(ds, protocol, (1, 5, 10, math.inf))
    with warnings.catch_warnings():
        # In some draws the trials that are left agree no more than by chance.
        warnings.simplefilter("ignore", aa1xr.UndefinedWarning)
        results += [measured_mean_of_trials(ds, protocol, n, seeds=_DRAWS) for n in (1, 5)]
    lines = pd.concat([score_lines(result) for result in results])
    return lines.assign(aa1xr_version=VERSION, torch_version="")


def with_parameters(lines: pd.DataFrame) -> pd.DataFrame:
    """Count what folders of before lack."""
    lines = lines.reset_index(drop=True)
    columns = ["parameters_one_output", "parameters"]
    for (protocol, model), part in lines.groupby(["protocol", "model"]):
        if model in MODELS and protocol in PROTOCOLS and part[columns].isna().any(axis=None):
            of = PROTOCOLS[protocol]
            entrant = find_model_or_none(model)
            if entrant is not None:
                counts = entrant.count_parameters(of.n_mels, _NEURONS, dt_ms=of.dt_ms)
                lines.loc[part.index, columns] = [counts or (math.nan, math.nan)] * len(part)
    return lines


def find_model_or_none(name: str):
    try:
        return find_model(name)
    except ImportError:
        print(f"{name}: parameters are not counted without torch")
        return None


def chosen(lines: pd.DataFrame, *, partial: bool, spectrogram: bool) -> pd.DataFrame:
    """Leave out what does not belong in the table, and say so."""
    kept = []
    for row, part in lines.groupby(_ROW, sort=False):
        protocol = PROTOCOLS.get(row[0])
        seeds = sorted(part["seed"].unique())
        have = set(zip(part["split"], part["seed"], strict=True))
        if protocol is None:
            why = "not a protocol of this package"
        elif not set(part["data"]) <= {AA1, ""}:
            why = "not of AA1"
        elif (part["neurons"] != _NEURONS).any():
            why = f"not of {_NEURONS} neurons"
        elif part["spectrogram"].any() and not spectrogram:
            why = "not the spectrogram of the protocol (--spectrogram takes them)"
        elif len(have) != len(part):
            why = "a split and seed occurs twice"
        elif not partial and have != {*itertools.product(range(protocol.n_splits), seeds)}:
            why = f"{len(part)} of {protocol.n_splits * len(seeds)} units (--partial takes them)"
        else:
            kept.append(part)
            continue
        print(f"left out: {_said(row)}: {why}")
    return pd.concat(kept) if kept else lines.iloc[:0]


def _said(row: tuple[str, ...]) -> str:
    """A row in words; the spectrogram of the protocol goes without saying."""
    return ", ".join(filter(None, row))


def merged(old: pd.DataFrame, new: pd.DataFrame, *, by: list[str]) -> pd.DataFrame:
    """All lines; those that are new replace the old ones that are equal in the columns of `by`."""
    replaced = pd.MultiIndex.from_frame(old[by]).isin(pd.MultiIndex.from_frame(new[by]))
    return pd.concat([old[~replaced], new])


def write(lines: pd.DataFrame, file: Path) -> None:
    order = {name: k for k, name in enumerate(PROTOCOLS)}
    lines = lines.sort_values(
        _KEY, key=lambda column: column.map(order) if column.name == "protocol" else column
    )
    counts = ["split", "seed", "scored", "neurons", "parameters_one_output", "parameters"]
    decimals = dict.fromkeys(SCORES, 5) | {"seconds": 2}
    lines = lines.astype(dict.fromkeys(decimals, float) | dict.fromkeys(counts, "Int64"))
    lines = lines.round(decimals)
    lines.to_csv(file, columns=list(COLUMNS), index=False, lineterminator="\n")


if __name__ == "__main__":
    main()
