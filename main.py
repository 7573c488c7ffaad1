"""Start Parley: ``python main.py [run] [--host HOST] [--port PORT]``; settings come from ``.env`` and the environment.

``python main.py --help`` lists the other commands: it is the same program as ``parley`` of an installation.
"""

import sys

from server.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
