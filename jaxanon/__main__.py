"""`python -m jaxanon`."""

import sys

from jaxanon.cli import main

sys.exit(main())
