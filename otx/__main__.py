"""Entry point of `python -m otx`."""

from otx.cli import main

main()
