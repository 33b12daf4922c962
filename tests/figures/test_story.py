from __future__ import annotations

import io

from PIL import Image

from labelkit.figures.saving import figure_bytes
from labelkit.figures.story import story_figure
from labelkit.workflows.show import explain
from tests.golden.make import RAW


def test_the_story_is_1400_pixels_wide_and_the_same_each_time():
    scene = explain(RAW, "depth_020.png").scene
    first, again = (figure_bytes(story_figure(scene, scene.sample), "png") for _ in range(2))
    assert first == again
    assert Image.open(io.BytesIO(first)).size[0] == 1400
