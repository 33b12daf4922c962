from __future__ import annotations

import io
import runpy

from PIL import Image

from labelkit.figures.saving import figure_bytes
from labelkit.workflows.show import explain
from tests.golden.make import RAW
from tests.test_documentation import REPOSITORY


def test_the_story_is_1400_pixels_wide_and_the_same_each_time():
    draw_story = runpy.run_path(str(REPOSITORY / "docs/images/make_story.py"))["draw_story"]
    scene = explain(RAW, "depth_020.png").scene
    first, again = (figure_bytes(draw_story(scene, scene.sample), "png") for _ in range(2))
    assert first == again
    assert Image.open(io.BytesIO(first)).size[0] == 1400
