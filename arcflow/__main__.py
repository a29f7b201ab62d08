"""``python -m arcflow`` is the command ``arcflow``."""

import sys

# Python puts the working directory first for -m: a ``queue.py`` there would be imported in the
# place of the standard library's.
if __name__ == "__main__" and not sys.flags.safe_path:
    sys.path.append(sys.path.pop(0))

from arcflow.cli.main import main

if __name__ == "__main__":
    main()
