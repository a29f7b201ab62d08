"""The command line: ``arcflow COMMAND``."""
