"""The benchmark: named protocols, models, and scores that can be compared.

>>> protocol = aa1xr.benchmark.PROTOCOLS["cv10"]
>>> protocol.dt_ms, protocol.n_splits
(5.0, 10)
>>> ds = aa1xr.open_sample(dt_ms=protocol.dt_ms)
>>> prepared = protocol.prepare(ds)
>>> [part.size for part in protocol.splits(prepared)[0]]  # train, validation, test
[6, 2, 2]

`run` fits and scores a model, also your own, which `check_model` checks first;
`score_prediction` scores a prediction that comes from anywhere;
`compare` pairs two models over splits and neurons;
`table` puts results beside the published ones. On the command line: `aa1xr benchmark`.
"""

from aa1xr.benchmark.check_model import ModelCheck, check_model
from aa1xr.benchmark.compare import compare
from aa1xr.benchmark.gradients import gradient_strf
from aa1xr.benchmark.models import MODELS, Model
from aa1xr.benchmark.protocols import PROTOCOLS, Protocol
from aa1xr.benchmark.run import run, score_prediction
from aa1xr.benchmark.split_files import read_splits, write_splits
from aa1xr.benchmark.stored_scores import read_scores, stored_scores
from aa1xr.benchmark.table import PUBLISHED, table
from aa1xr.benchmark.trials import mean_of_trials, measured_mean_of_trials
from aa1xr.benchmark.true_rate import true_rate

__all__ = [
    "MODELS",
    "PROTOCOLS",
    "PUBLISHED",
    "Model",
    "ModelCheck",
    "Protocol",
    "check_model",
    "compare",
    "gradient_strf",
    "mean_of_trials",
    "measured_mean_of_trials",
    "read_scores",
    "read_splits",
    "run",
    "score_prediction",
    "stored_scores",
    "table",
    "true_rate",
    "write_splits",
]
