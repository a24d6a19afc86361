"""`python -m dgrl` is the program `dgrl`."""

import sys

from dgrl.cli import main

sys.exit(main())
