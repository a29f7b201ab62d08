"""What shape an object has, and which objects lie together."""

from collections.abc import Sequence

import numpy as np

from arcflow.omniarc.dsl.errors import DslError, check_color
from arcflow.omniarc.dsl.masks import components, enclosed
from arcflow.omniarc.dsl.objects import Object, near


def count_holes(obj: Object) -> int:
    """The number of holes: parts of its box that are not its own and that it closes in.

    An object closes a part in if no walk up, down, left and right leads out of it.

    Args:
        obj: any object.

    Example:
        >>> grid = to_grid([[1, 1, 1, 1, 1], [1, 0, 1, 0, 1], [1, 1, 1, 1, 1]])
        >>> count_holes(find_objects(grid)[0])
        2
    """
    return len(components(enclosed(obj.mask), diagonal=False))


def fill_holes(obj: Object, color: int | None = None) -> Object:
    """The object with its holes (see ``count_holes``) as cells of its own.

    Args:
        obj: any object.
        color: that these cells get; without one, the object's colour.

    Raises:
        DslError: the colour is not 0 to 9.

    Example:
        >>> ring = find_objects(to_grid([[4, 4, 4], [4, 0, 4], [4, 4, 4]]))[0]
        >>> fill_holes(ring, 7).patch.tolist()
        [[4, 4, 4], [4, 7, 4], [4, 4, 4]]
    """
    color = obj.color if color is None else color
    check_color("fill_holes", color)
    holes = enclosed(obj.mask)
    return Object(obj.patch + holes * np.int8(color), obj.mask | holes, obj.top, obj.left)


def is_rectangle(obj: Object) -> bool:
    """Whether the object fills its box: no cell of the box is missing.

    Args:
        obj: any object.

    Example:
        >>> [is_rectangle(obj) for obj in find_objects(to_grid([[1, 1, 0, 2], [1, 1, 2, 2]]))]
        [True, False]
    """
    return bool(obj.mask.all())


def is_square(obj: Object) -> bool:
    """Whether the object fills its box, and the box is as high as it is wide.

    Args:
        obj: any object.

    Example:
        >>> [is_square(obj) for obj in find_objects(to_grid([[1, 1, 0, 2], [1, 1, 0, 2]]))]
        [True, False]
    """
    return obj.height == obj.width and is_rectangle(obj)


def group_objects(objects: Sequence[Object], distance: int) -> list[list[Object]]:
    """Objects that lie near each other, put together; what is near one of a group belongs to it.

    Args:
        objects: of one grid.
        distance: steps, also diagonal ones, that lead from a cell of one object to a cell of the
            other at most; 1: they touch, 2: one cell may lie between them.

    Returns:
        The groups by their first object; objects stay in their order.

    Raises:
        DslError: the distance is negative.

    Example:
        >>> objects = find_objects(to_grid([[1, 0, 2, 0, 0, 3]]))
        >>> [[obj.color for obj in group] for group in group_objects(objects, 2)]
        [[1, 2], [3]]
    """
    if distance < 0:
        raise DslError(f"group_objects: distance {distance}, expected 0 or more")
    group = list(range(len(objects)))
    for later, obj in enumerate(objects):
        for earlier in range(later):
            a, b = group[earlier], group[later]
            if a != b and near(objects[earlier], obj, distance):
                group = [a if one == b else one for one in group]
    found: dict[int, list[Object]] = {}
    for number, obj in zip(group, objects, strict=True):
        found.setdefault(number, []).append(obj)
    return list(found.values())
