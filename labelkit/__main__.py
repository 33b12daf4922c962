"""python -m labelkit"""

from labelkit.cli import main

main()
