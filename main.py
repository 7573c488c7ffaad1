"""Start Parley: ``python main.py [--host HOST] [--port PORT]``; settings come from ``.env`` and the environment."""

import sys

from server.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
