"""A metric of your own: whether any candidate is right but for a few cells.

Usage, from the folder above this one:

    arcflow validate -c configs/quickstart.yaml --ckpt_path last \
        --pass_n.metrics '[examples.custom_metric.NEARLY_RIGHT]'

The table, the results file and the loggers then show ``nearly_right`` beside the other metrics.
"""

from arcflow.scoring.metrics import Metric, ScoredInput


def nearly_right(scored: ScoredInput) -> float:
    """Return 1 where a candidate of the right size has at most a tenth of its cells wrong."""
    return float(any(share >= 0.9 for share in scored.pixel_shares))


NEARLY_RIGHT = Metric(
    "nearly_right",
    nearly_right,
    "Whether at least nine tenths of any candidate's cells are right.",
)
