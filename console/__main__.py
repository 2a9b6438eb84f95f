"""Entry point of ``python -m console``, which runs the command ``strongroom``."""

from console.cli import main

main()
