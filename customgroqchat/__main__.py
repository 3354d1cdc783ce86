"""Run the command line: ``python -m customgroqchat``."""

from .cli import main

raise SystemExit(main())
