"""Lightning is imported before any test runs; ``tests/conftest.py`` says why."""

import lightning.pytorch  # noqa: F401
