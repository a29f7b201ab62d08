"""The HTML report that an evaluation leaves beside its journal."""

import logging
from pathlib import Path

from arcflow.core.errors import DataError
from arcflow.evaluation.results import Results
from arcflow.report.write import write_report
from arcflow.scoring.journal import read_journal
from arcflow.scoring.rescored import as_ranked

_log = logging.getLogger(__name__)


def write_page(known: Results) -> dict[str, Path]:
    """Write ``NAME.report.html`` from the journal of a finished evaluation.

    A page that cannot be written is a warning: journal and submission are on the disk by then, and
    ``arcflow report`` makes the page again.

    Args:
        known: The results, merged and closed.

    Returns:
        The page under the name ``"report"``, or nothing if it could not be written.
    """
    path = known.path.with_name(f"{known.name}.report.html")
    title = f"{known.name} in {known.folder.name or known.folder}"
    try:
        write_report(path, title, known.tasks, as_ranked(*read_journal(known.path)))
    except DataError as error:
        _log.warning("%s", error)
        return {}
    return {"report": path}
