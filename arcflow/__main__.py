"""``python -m arcflow`` is the command ``arcflow``."""

from arcflow.cli.main import main

if __name__ == "__main__":
    main()
