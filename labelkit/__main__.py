"""python -m labelkit"""

import sys

if not sys.flags.safe_path:
    del sys.path[0]  # the current folder, which `python -m` puts there; nothing may be imported before this

from labelkit.cli import main

main()
