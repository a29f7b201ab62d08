"""The programs of Omni-ARC run in the sandbox, and give there what they give here."""

import numpy as np

from arcflow.omniarc.check import original_pairs
from arcflow.omniarc.registry import programs
from arcflow.sandbox import Grids, Limits, Sandbox


def test_registered_programs_give_the_same_in_the_sandbox() -> None:
    registered = list(programs().values())
    inputs = [[pair.input for pair in original_pairs(one.task_id)[:2]] for one in registered]
    with Sandbox(2, Limits(seconds=20.0)) as sandbox:
        results = sandbox.run([one.source for one in registered], inputs)
    for one, grids, result in zip(registered, inputs, results, strict=True):
        assert isinstance(result, Grids), f"{one.task_id}: {result}"
        for grid, output in zip(grids, result.outputs, strict=True):
            np.testing.assert_array_equal(output, one.function(grid.copy()), err_msg=one.task_id)
