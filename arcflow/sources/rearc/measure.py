"""Measures the facts about a RE-ARC task, and what its adapted pairs are worth."""

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
"""Share of exchanges with a colour that a verifier refuses, from which on it counts as fixed:
nearly all where the rule names it, few where a tie is decided by the colours' order."""

EXCHANGES = 8
"""How many pairs to try each exchange on."""

LOST = 0.1
"""Share of pairs lost by exchanging the background from which on it is left as it is."""

AGREES = 0.5
"""Share of inputs of which a drawn colour must have the most cells to count as background."""


def measure(
    backend: Backend, original: Task, samples: int, seed: int = 0, known: TaskFacts | None = None
) -> TaskFacts:
    """The facts of one task.

    Args:
        backend: the generators and verifiers.
        original: the published task.
        samples: how many pairs of difficulty 0 to 1 to look at; half as many easy ones.
        seed: of the samples.
        known: what was measured before; ties that were found then stay, rare as they are.
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
    accepted = list[Made]()
    for number in range(samples // 2):
        try:
            pair = easy.attempt(derive(seed, f"facts easy {task_id}", number))
        except BadPairError:
            continue
        if easy.accepts(pair.input, pair.output):
            accepted.append(pair)
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


def _lost(generator: Generator, samples: int, seed: int) -> float:
    """Share of exchanged pairs that follow their rule no more, though they did before."""
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
    """The colour with the most cells in more than half of a task's inputs, None without one."""
    pairs = (*task.train, *task.test)
    counted = Counter(main_color(grid_key(pair.input)) for pair in pairs)
    color, count = counted.most_common(1)[0]
    return color if 2 * count > len(pairs) else None


def fixed_colors(generator: Generator, pairs: Sequence[Made]) -> tuple[int, ...]:
    """The colours that no other can stand for.

    Two colours that a rule does not name may change places: the verifier makes the exchanged
    output of the exchanged input. Of those that may not, the fewest that explain it are fixed.

    Args:
        generator: of the task.
        pairs: that its verifier accepts.
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
    """Site and element of the background: named so in the source, or most often the main colour."""
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
    """The background of a pair: what was drawn as such, else its input's main colour."""
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
        pairs: served, with backgrounds and roles.
        accepted: of these, by the verifier.
        plain_pairs: generated at the same difficulty without either.
        plain_accepted: of these, by the verifier.
        lost: served pairs that are not accepted though they were before their colours changed.
        background: served inputs whose background was drawn or exchanged to the original's.
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
    """Verify adapted pairs, before and after their colours changed, and pairs not adapted.

    All are of the task's own difficulty.

    Args:
        backend: the generators and verifiers.
        task_id: the task.
        facts: of the task.
        prompts: how many, each of as many pairs as the original has train pairs, and one.
        seed: of the prompts.

    Raises:
        DataError: the generator gives no good pairs.
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
