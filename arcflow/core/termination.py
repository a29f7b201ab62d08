"""SIGTERM, by which schedulers, ``timeout`` and preemption end a run: in good order, with exit 143.

The signal ends the run at once, like an interrupt from the keyboard, by an exception in the main
thread; what has to be closed is closed on its way. Where something is to be finished first, such as
a training step, the exception is deferred, and who defers it looks at :func:`received`.
"""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

EXIT_CODE = 128 + signal.SIGTERM
"""What a shell shows for a process that SIGTERM ended."""


class Terminated(SystemExit):
    """The end of a run that received SIGTERM.

    Args:
        saved: What was saved, as a sentence for the user; it may be empty.
    """

    def __init__(self, saved: str = "") -> None:
        super().__init__(EXIT_CODE)
        self.saved = saved


class _State:
    def __init__(self) -> None:
        self.received = self.deferred = False
        self.listeners: list[Callable[[], None]] = []


_state: _State | None = None


@contextmanager
def handled() -> Iterator[None]:
    """Handle SIGTERM within the block, unless this process was told to ignore it."""
    global _state
    main = threading.current_thread() is threading.main_thread()
    if not main or signal.getsignal(signal.SIGTERM) == signal.SIG_IGN:
        yield
        return
    outer, _state = _state, _State()
    before = signal.signal(signal.SIGTERM, _on_signal)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
        _state = outer


def received() -> bool:
    """Return whether SIGTERM has been received."""
    return _state is not None and _state.received


def defer(deferred: bool) -> None:
    """Say whether SIGTERM is only noted from now on; a signal that was noted is not lost."""
    if _state is not None:
        _state.deferred = deferred


def check() -> None:
    """End the run here if SIGTERM was received.

    An exception in a signal handler is lost where Python cannot raise it, as in a destructor.

    Raises:
        Terminated: SIGTERM was received, and it is not deferred.
    """
    if _state is not None and _state.received and not _state.deferred:
        raise Terminated


def on_signal(listener: Callable[[], None]) -> None:
    """Have a function called when SIGTERM arrives, such as one that passes it on."""
    if _state is not None:
        _state.listeners.append(listener)


def _on_signal(_number: int, _frame: FrameType | None) -> None:
    state = _state
    # A second signal, as `timeout` and process groups send it, must not end the closing.
    if state is None or state.received:
        return
    state.received = True
    for listener in state.listeners:
        listener()
    if not state.deferred:
        raise Terminated


def _default_in_child() -> None:
    global _state
    if _state is not None:
        _state = None
        signal.signal(signal.SIGTERM, signal.SIG_DFL)


os.register_at_fork(after_in_child=_default_in_child)
