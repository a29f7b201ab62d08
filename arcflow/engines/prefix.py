"""Batches of prompts, planned so that a beginning they share is computed once; plain Python."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile


@dataclass(frozen=True, slots=True)
class PromptGroup:
    """Rows whose prompts begin alike.

    Attributes:
        shared: The length of the common beginning in tokens; every prompt of the group is longer.
        rows: The (request number, sample number) of each row to complete; a request's samples
            are rows with the same prompt.
        longest: The length of the group's longest prompt, in tokens.
    """

    shared: int
    rows: tuple[tuple[int, int], ...]
    longest: int


def group_prompts(prompts: Sequence[Sequence[int]], n: int) -> list[PromptGroup]:
    """Group prompts by their longest common beginning.

    A prompt joins a group if at least half of every prompt stays shared: a short common
    beginning, such as a chat template's first lines, is cheaper to compute twice than to
    carry as padding.

    Args:
        prompts: The token ids of each request, at least one each.
        n: The number of rows of each prompt (samples to draw).

    Returns:
        The groups, which hold every row once.
    """
    order = sorted(range(len(prompts)), key=lambda i: tuple(prompts[i]))
    groups: list[PromptGroup] = []
    members: list[int] = []
    shared = longest = 0

    def close() -> None:
        if members:
            rows = tuple((i, k) for i in members for k in range(n))
            groups.append(PromptGroup(shared, rows, longest))

    for i in order:
        prompt = prompts[i]
        if members:
            common = min(shared, len(prompt) - 1, _common_length(prompts[members[-1]], prompt))
            if 2 * common >= max(longest, len(prompt)):
                members.append(i)
                shared, longest = common, max(longest, len(prompt))
                continue
        close()
        members, shared, longest = [i], len(prompt) - 1, len(prompt)
    close()
    return groups


def plan_batches(
    groups: Sequence[PromptGroup], max_new_tokens: int, max_batch_tokens: int
) -> Iterator[list[PromptGroup]]:
    """Put groups of similar length into batches, longest first.

    Args:
        groups: The groups, from :func:`group_prompts`.
        max_new_tokens: The number of tokens that a row may grow by.
        max_batch_tokens: The bound on rows x (padded prompt + new tokens) of a batch. A group over
            it is split; a single row over it runs alone.

    Yields:
        The groups of each batch.
    """
    batch: list[PromptGroup] = []
    rows = shared = rest = 0
    for group in sorted(groups, key=lambda group: -group.longest):
        capacity = max(1, max_batch_tokens // (group.longest + max_new_tokens))
        for start in range(0, len(group.rows), capacity):
            part = PromptGroup(group.shared, group.rows[start : start + capacity], group.longest)
            now_rows = rows + len(part.rows)
            now_shared = max(shared, part.shared)
            now_rest = max(rest, part.longest - part.shared)
            cost = now_rows * (now_shared + now_rest + max_new_tokens)
            if batch and cost > max_batch_tokens:
                yield batch
                batch, now_rows = [], len(part.rows)
                now_shared, now_rest = part.shared, part.longest - part.shared
            batch.append(part)
            rows, shared, rest = now_rows, now_shared, now_rest
    if batch:
        yield batch


def _common_length(a: Sequence[int], b: Sequence[int]) -> int:
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(a, b, strict=False)))
