"""Start Parley: ``python main.py [--host HOST] [--port PORT]``; settings come from ``.env`` and the environment.

``python main.py token --user ID`` prints a token for an account of the application. ``python main.py user --help`` and
others work on accounts made here.
"""

import sys

from server.cli import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
