"""The Python API: the functions and results that ``import otx`` offers. Nothing here imports torch by itself."""
