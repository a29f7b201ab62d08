"""Which packages a distribution has; everything else about it is in pyproject.toml."""

from setuptools import find_packages, setup

# The configs stay at the repository's top, where people read them; pyproject.toml (package-dir)
# says that they are the package arcflow.configs. A list of packages in pyproject.toml can either
# be found by itself or name such a package, not both, so it is made here.
setup(packages=[*find_packages(include=["arcflow", "arcflow.*"]), "arcflow.configs"])
