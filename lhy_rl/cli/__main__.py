"""``python -m lhy_rl.cli`` is the command ``lhy-rl``."""

from lhy_rl.cli.main import main

raise SystemExit(main())
