"""Programs that a search writes: the sandbox runs them to the grids that the search answers."""

import numpy as np
import pytest

from arcflow.sandbox.pool import Sandbox
from arcflow.sandbox.results import Grids
from arcflow.search.programs import API
from arcflow.search.solver import SearchSolver
from arcflow.search.words import background, piece, shown, stack
from arcflow.sources.arc import load_split

pytestmark = pytest.mark.slow  # the first run compiles the functions

TASKS = ("007bbfb7", "06df4c85", "5117e062", "dc433765")


def test_programs_give_the_answers_in_the_sandbox():
    tasks = {task.id: task for task in load_split("arc-agi-1/training")}
    solver = SearchSolver(most_depth=2)
    ran = 0
    with Sandbox(1, api=API) as sandbox:
        for name in TASKS:
            task = tasks[name].without_answers()
            for pair, answers in zip(task.test, solver.solve(task, 600), strict=True):
                programs = [str(answer.program) for answer in answers]
                results = sandbox.run(programs, [[pair.input]] * len(programs))
                for answer, result in zip(answers, results, strict=True):
                    assert isinstance(result, Grids), (name, answer.program, result)
                    assert np.array_equal(result.outputs[0], answer.grid), answer.program
                    assert answer.rule
                    ran += 1
    assert ran > 20


def test_the_program_of_a_fitted_answer_makes_the_train_outputs_too():
    task = next(task for task in load_split("arc-agi-1/training") if task.id == "007bbfb7")
    answer = SearchSolver(most_depth=2).solve(task.without_answers(), 600)[0][0]
    assert answer.pairs_fitted == len(task.train)
    assert answer.program is not None
    with Sandbox(1, api=API) as sandbox:
        (result,) = sandbox.run([answer.program], [[pair.input for pair in task.train]])
    assert isinstance(result, Grids)
    for made, pair in zip(result.outputs, task.train, strict=True):
        assert np.array_equal(made, pair.output)


def test_words_stack_pieces():
    grid = np.array([[0, 3], [0, 3]])
    left = piece(grid, (2, 2), "turned 4")
    assert left.tolist() == [[3, 0], [3, 0]]
    assert shown(left).tolist() == [[3, 10], [3, 10]]
    assert background(left).tolist() == [[10, 0], [10, 0]]
    assert stack(shown(left), piece(grid, (2, 2), "painted 5")).tolist() == [[3, 5], [3, 5]]
    assert (piece(grid, (1, 1)) == 10).all()
