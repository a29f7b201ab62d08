"""Only the slow tests of studies run ``arcflow`` itself; the others start without Lightning."""

import pytest


def pytest_runtest_setup(item: pytest.Item) -> None:
    """Import Lightning before the test's streams are captured; ``tests/conftest.py`` says why."""
    if item.get_closest_marker("slow") is not None:
        import lightning.pytorch  # noqa: F401
