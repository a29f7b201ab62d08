"""Steps applied to images as a search applies them."""

from collections.abc import Sequence

import numpy as np

from arcflow.search.arena import add_image, add_list, apply_step, get_value, new_arena
from arcflow.search.images import Cells, Image
from arcflow.search.registry import STEPS, Step

BY_NAME = {step.name: step for step in STEPS}

NOTHING = np.zeros((1, 1), np.uint8)


class Bench:
    """An arena with one value to apply steps to.

    Args:
        images: The image, or the images of a list.
        sizes: Height and width of the input and of the output.
        source: The input, for steps that cut from it.
    """

    def __init__(
        self,
        images: Sequence[Image],
        sizes: tuple[int, int, int, int] = (3, 3, 3, 3),
        source: Cells = NOTHING,
        is_list: bool = False,
    ) -> None:
        self.arena = new_arena(1, 2000)
        numbers = [add_image(self.arena, *image) for image in images]
        self.value = add_list(self.arena, np.array(numbers), int(is_list))
        self.sizes, self.source = np.array(sizes, np.int64), source

    def apply(self, *steps: Step | str) -> list[Image] | None:
        """Return what steps make, or None if they make nothing."""
        value = self.value
        for name in steps:
            step = BY_NAME[name] if isinstance(name, str) else name
            value = apply_step(
                self.arena,
                step.kind,
                step.family,
                step.argument,
                value,
                self.sizes,
                self.source,
            )
            if value < 0:
                return None
        return get_value(self.arena, value)
