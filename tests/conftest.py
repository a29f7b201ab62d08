"""Shared by all tests; light on purpose: a folder of numpy tests must start within two seconds.

Folders whose tests use Lightning import it in a ``conftest.py`` of their own: Lightning's log
handler keeps the stderr of the moment of its import, which within a test would be that test's
captured stream, closed in the next. When folders are collected no test's stream is in place.
"""
