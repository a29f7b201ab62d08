"""Lists of what programs may name: builtins, numpy and a few functions of other modules."""

from collections.abc import Mapping


def _names(text: str) -> frozenset[str]:
    return frozenset(text.split())


BUILTINS = _names(
    """
    ArithmeticError AssertionError AttributeError Ellipsis Exception False FloatingPointError
    IndexError KeyError LookupError MemoryError None NotImplemented NotImplementedError
    OverflowError RecursionError RuntimeError StopIteration True TypeError ValueError
    ZeroDivisionError abs all any bin bool chr dict divmod enumerate filter float frozenset hash hex
    int isinstance iter len list map max min next oct ord pow print range repr reversed round set
    slice sorted str sum tuple zip
    """
)

NUMPY = _names(
    """
    abs absolute add all allclose amax amin any append apply_along_axis apply_over_axes arange
    argmax argmin argpartition argsort argwhere around array array_equal array_equiv array_split
    asarray ascontiguousarray asfortranarray atleast_1d atleast_2d atleast_3d average bincount
    bitwise_and bitwise_not bitwise_or bitwise_xor block bool_ broadcast_arrays broadcast_to c_ ceil
    choose clip column_stack compress concatenate convolve copy copyto corrcoef count_nonzero cross
    cumprod cumsum delete diag diag_indices diagflat diagonal diff digitize divide divmod dot dsplit
    dstack e ediff1d einsum empty empty_like equal exp expand_dims extract eye fill_diagonal
    flatnonzero flip fliplr flipud float32 float64 floor floor_divide full full_like gcd gradient
    greater greater_equal histogram histogram2d hsplit hstack hypot identity in1d indices inf inner
    insert int16 int32 int64 int8 interp intersect1d intp invert isclose isin isnan ix_ kron lcm
    left_shift less less_equal linspace log log2 logical_and logical_not logical_or logical_xor
    mask_indices matmul max maximum mean median meshgrid mgrid min minimum mod moveaxis multiply nan
    ndarray ndenumerate ndim ndindex negative newaxis nonzero not_equal ogrid ones ones_like outer
    pad partition percentile pi place power prod ptp put put_along_axis putmask quantile r_ ravel
    ravel_multi_index remainder repeat reshape resize right_shift rint roll rollaxis rot90 round
    row_stack s_ searchsorted select setdiff1d setxor1d shape sign size sort split sqrt square
    squeeze stack std subtract sum swapaxes take take_along_axis tensordot tile trace transpose
    trapezoid tri tril tril_indices trim_zeros triu triu_indices true_divide trunc uint16 uint32
    uint64 uint8 union1d unique unravel_index vander var vdot vstack where zeros zeros_like
    """
)

LINALG = _names(
    """
    det inv matrix_power matrix_rank norm solve
    """
)

MODULES: Mapping[str, frozenset[str]] = {
    "bisect": _names(
        """
        bisect bisect_left bisect_right insort insort_left insort_right
        """
    ),
    "collections": _names(
        """
        Counter OrderedDict defaultdict deque
        """
    ),
    "copy": _names(
        """
        copy deepcopy
        """
    ),
    "functools": _names(
        """
        cache lru_cache partial reduce
        """
    ),
    "heapq": _names(
        """
        heapify heappop heappush heappushpop heapreplace merge nlargest nsmallest
        """
    ),
    "itertools": _names(
        """
        accumulate chain combinations combinations_with_replacement compress count cycle dropwhile
        filterfalse groupby islice pairwise permutations product repeat starmap takewhile tee
        zip_longest
        """
    ),
    "math": _names(
        """
        atan2 ceil comb copysign cos degrees dist e exp fabs factorial floor fmod gcd hypot inf
        isclose isfinite isinf isnan isqrt lcm log log10 log2 modf nan perm pi pow prod radians sin
        sqrt tan tau trunc
        """
    ),
    "typing": _names(
        """
        Any Callable Dict FrozenSet Iterable Iterator List Literal Mapping Optional Sequence Set
        Tuple Union
        """
    ),
}

ATTRIBUTES = _names(
    """
    T accumulate add all any append appendleft argmax argmin argpartition args argsort astype at
    bit_count bit_length cache_clear capitalize casefold center choose clear clip close compress
    conj copy count cumprod cumsum default_factory denominator diagonal difference difference_update
    discard dot dtype elements endswith expandtabs extend extendleft fill find flat flatten
    from_iterable fromkeys get imag index insert intersection intersection_update is_integer isalnum
    isalpha isascii isdecimal isdigit isdisjoint isidentifier islower isnumeric isspace issubset
    issuperset istitle isupper item items itemsize join keys kind ljust lower lstrip max maxlen
    maxsplit mean min most_common move_to_end name nbytes ndim nonzero numerator outer partition pop
    popitem popleft prod ptp put ravel real reduce reduceat remove removeprefix removesuffix repeat
    replace reshape reverse rfind rindex rjust rotate round rpartition rsplit rstrip searchsorted
    send setdefault shape size sort split splitlines squeeze start startswith std step stop strip
    subtract sum swapaxes swapcase symmetric_difference symmetric_difference_update take title
    tobytes tolist total trace transpose union update upper values var zfill
    """
)
"""Attributes of numbers, strings, collections, arrays and ufuncs that offer no way out."""

FORBIDDEN = _names(
    """
    add_note format format_map mro resize with_traceback
    """
)
"""Public attributes that are refused on any object.

They lead out of the sandbox, change its objects, or free memory that is still in use: an array's
``resize`` can be told not to look for views of it. The function ``np.resize`` is no attribute of
that kind.
"""
