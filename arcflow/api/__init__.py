"""arcflow from Python: short functions over the library, offered by ``import arcflow``."""
