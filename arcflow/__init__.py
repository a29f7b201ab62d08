"""arcflow: train, adapt at test time and evaluate language models on ARC.

Importing the package is light: no torch, no Lightning. The command line is
``arcflow`` (:mod:`arcflow.cli.main`); ``docs/architecture.md`` draws the floors.
"""

__version__ = "0.1.0"
