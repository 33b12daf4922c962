"""Draw story.png, the README's picture, from a simulated frame.

labelkit simulate recordings --participants 4 --frames 20 --seed 7
python docs/images/make_story.py recordings/raw p01:5
"""

from __future__ import annotations

import sys
from pathlib import Path

from labelkit.figures.saving import figure_bytes
from labelkit.figures.story import story_figure
from labelkit.files import write_bytes
from labelkit.workflows.show import explain

if __name__ == "__main__":
    raw, frame = sys.argv[1:]
    scene = explain(Path(raw), frame).scene
    if scene.sample is None:
        sys.exit(f"{frame} has no label")
    write_bytes(Path(__file__).with_name("story.png"), figure_bytes(story_figure(scene, scene.sample), "png"))
