"""Measurement of the facts about a RE-ARC task, and of the quality of its adapted pairs."""

import itertools
import statistics
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

from arcflow.core.grid import grid_key
from arcflow.core.seeds import derive
from arcflow.core.task import Task
from arcflow.sources.rearc.backend import Backend
from arcflow.sources.rearc.color_sites import color_sites
from arcflow.sources.rearc.difficulty import original_difficulty
from arcflow.sources.rearc.facts import TaskFacts
from arcflow.sources.rearc.pairs import (
    Adaptation,
    BadPairError,
    Generator,
    Made,
    drawn_color,
    exchanged,
    main_color,
)

FIXED = 0.3
"""The share of refused exchanges from which a colour counts as named by the rule.

A verifier refuses nearly all exchanges of a colour that the rule names, and few if only ties are
decided by the order of colours.
"""

EXCHANGES = 8
"""The number of pairs on which each exchange of colours is tried."""

LOST = 0.1
"""The share of pairs lost by exchanging the background from which it is left as it is."""

AGREES = 0.5
"""The share of inputs in which a chosen colour must have the most cells to count as background."""


def measure(
    backend: Backend, original: Task, samples: int, seed: int = 0, known: TaskFacts | None = None
) -> TaskFacts:
    """Return the facts of one task.

    Args:
        backend: The generators and verifiers.
        original: The published task.
        samples: The number of pairs of difficulty 0 to 1 to look at; half as many easy ones are
            added.
        seed: The seed of the samples.
        known: What was measured before; ties that were found then stay, as they are rare.
    """
    task_id = original.id
    raw = Adaptation(difficulty=(0.0, 1.0), background=False, roles=False)
    wide = Generator(backend, task_id, None, raw)
    seconds, made, bad, identity = [], list[Made](), 0, 0
    for number in range(samples):
        started = time.perf_counter()
        try:
            pair = wide.attempt(derive(seed, f"facts {task_id}", number))
        except BadPairError as error:
            same = "its input" in str(error)
            identity, bad = identity + same, bad + (not same)
            continue
        seconds.append(time.perf_counter() - started)
        made.append(pair)
    started = time.perf_counter()
    good = [pair for pair in made if wide.accepts(pair.input, pair.output)]
    verifying = (time.perf_counter() - started) / max(1, len(made))
    bad += len(made) - len(good)

    easy = Generator(backend, task_id, None, Adaptation(background=True, roles=False))
    accepted = _accepted(easy, samples // 2, seed)
    background = original_background(original)
    fixed = fixed_colors(easy, accepted)
    draw = background_draw(backend, task_id, accepted)
    facts = TaskFacts(
        train_pairs=len(original.train),
        fixed_colors=fixed,
        background=background,
        background_draw=draw,
        swap=background is not None and background not in fixed,
        ties=False,
        bad=round(bad / samples, 3),
        identity=round(identity / samples, 3),
        generate_ms=round(1000 * statistics.median(seconds), 2) if seconds else 0.0,
        verify_ms=round(1000 * verifying, 2),
        solves_original=all(
            pair.output is not None and wide.accepts(grid_key(pair.input), grid_key(pair.output))
            for pair in (*original.train, *original.test)
        ),
        difficulty=original_difficulty(backend, original, max(1, samples // 5), seed),
    )
    if not facts.swap:
        return facts
    lost = _lost(Generator(backend, task_id, facts, Adaptation(roles=False)), 4 * samples, seed)
    ties = lost > 0 or (known is not None and known.ties)
    return replace(facts, swap=lost < LOST, ties=lost < LOST and ties)


def _accepted(generator: Generator, samples: int, seed: int) -> list[Made]:
    """Return those of so many pairs that the task's verifier accepts."""
    accepted = list[Made]()
    for number in range(samples):
        try:
            pair = generator.attempt(derive(seed, f"facts easy {generator.task_id}", number))
        except BadPairError:
            continue
        if generator.accepts(pair.input, pair.output):
            accepted.append(pair)
    return accepted


def _lost(generator: Generator, samples: int, seed: int) -> float:
    """Return the share of pairs that follow their rule before the exchange but not after it."""
    lost = 0
    for number in range(samples):
        try:
            made = generator.attempt(derive(seed, f"facts swap {generator.task_id}", number))
        except BadPairError:
            continue
        lost += not generator.accepts(made.input, made.output) and generator.accepts(
            made.raw_input, made.raw_output
        )
    return lost / samples


def original_background(task: Task) -> int | None:
    """Return the colour with the most cells in more than half of a task's inputs, or None."""
    pairs = (*task.train, *task.test)
    counted = Counter(main_color(grid_key(pair.input)) for pair in pairs)
    color, count = counted.most_common(1)[0]
    return color if 2 * count > len(pairs) else None


def fixed_colors(generator: Generator, pairs: Sequence[Made]) -> tuple[int, ...]:
    """Return the colours that no other can stand for.

    Two colours that a rule does not name may change places: the verifier then makes the exchanged
    output of the exchanged input. Of the colours that may not, the fewest that explain it are
    fixed.

    Args:
        generator: The generator of the task.
        pairs: Pairs that the task's verifier accepts.
    """
    refused: dict[tuple[int, int], float] = {}
    for one, other in itertools.combinations(range(10), 2):
        with_them = (pair for pair in pairs if {one, other} & {*pair.input[2], *pair.output[2]})
        tried = [
            generator.accepts(
                exchanged(pair.input, (one, other)), exchanged(pair.output, (one, other))
            )
            for pair in itertools.islice(with_them, EXCHANGES)
        ]
        if tried:
            refused[one, other] = tried.count(False) / len(tried)
    for number in range(10):
        explained = []
        for fixed in itertools.combinations(range(10), number):
            left = [share for pair, share in refused.items() if not {*pair} & {*fixed}]
            if max(left, default=0) < FIXED:
                explained.append((sum(left), fixed))
        if explained:
            return min(explained)[1]
    return tuple(range(10))


def background_draw(
    backend: Backend, task_id: str, pairs: Sequence[Made]
) -> tuple[int, int] | None:
    """Return site and index of the background colour, or None if the generator chooses none.

    It is the colour that the source calls so, or else the one that is most often the main colour.

    Args:
        backend: The generators.
        task_id: The id of the task.
        pairs: Pairs that the task's verifier accepts.
    """
    named = color_sites(backend.generators[task_id]).background
    if named is not None:
        return named
    agree: Counter[tuple[int, int]] = Counter()
    for pair in pairs:
        main = main_color(pair.input)
        last = {site: colors for (site, _), colors in sorted(pair.drawn.items())}
        agree.update(
            (site, element)
            for site, colors in last.items()
            for element, color in enumerate(colors)
            if color == main
        )
    if not agree:
        return None
    best = min(agree, key=lambda place: (-agree[place], place))
    return best if agree[best] >= AGREES * len(pairs) else None


def served_background(made: Made, facts: TaskFacts) -> int:
    """Return the background of a pair: the colour chosen as such, or its input's main colour."""
    drawn = None
    if facts.background_draw is not None:
        drawn = drawn_color(made.drawn, facts.background_draw)
    if drawn is None:
        return main_color(made.input)
    if made.swapped is not None and drawn in made.swapped:
        return made.swapped[1 - made.swapped.index(drawn)]
    return drawn


@dataclass
class Check:
    """Counts over the adapted pairs of a task.

    Attributes:
        pairs: The number of served pairs, with backgrounds and roles adapted.
        accepted: The number of these that the verifier accepts.
        plain_pairs: The number of pairs generated at the same difficulty without adaptation.
        plain_accepted: The number of these that the verifier accepts.
        lost: The number of served pairs that the verifier accepts only before their colours
            changed.
        background: The number of served inputs that have the original's background.
    """

    pairs: int = 0
    accepted: int = 0
    plain_pairs: int = 0
    plain_accepted: int = 0
    lost: int = 0
    background: int = 0


def check(
    backend: Backend,
    task_id: str,
    facts: TaskFacts,
    prompts: int,
    seed: int = 0,
) -> Check:
    """Return how many pairs of a task its verifier accepts, adapted and not adapted.

    Adapted pairs are verified before and after their colours changed. All pairs are of the task's
    own difficulty.

    Args:
        backend: The generators and verifiers.
        task_id: The id of the task.
        facts: The facts of the task.
        prompts: The number of prompts, each of one pair more than the original has train pairs.
        seed: The seed of the prompts.

    Raises:
        DataError: The generator gives no good pairs.
    """
    counts = Check()
    adapted = Generator(backend, task_id, facts, Adaptation(facts.difficulty))
    plain = Generator(backend, task_id, facts, Adaptation(facts.difficulty, False, False))
    for index in range(prompts):
        for made in adapted.prompt(facts.train_pairs + 1, seed, index):
            before = adapted.accepts(made.raw_input, made.raw_output)
            after = adapted.accepts(made.input, made.output)
            counts.pairs += 1
            counts.accepted += after
            counts.lost += before and not after
            counts.background += served_background(made, facts) == facts.background
        for made in plain.prompt(facts.train_pairs + 1, seed, index):
            counts.plain_pairs += 1
            counts.plain_accepted += plain.accepts(made.input, made.output)
    return counts
