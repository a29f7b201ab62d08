"""Shared by all tests."""

# Lightning's log handler keeps the stderr of the moment of its import: without this it would be
# one test's captured stream, closed in the next.
import lightning.pytorch  # noqa: F401
