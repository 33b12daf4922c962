"""What of the settings decides a label."""

from __future__ import annotations

from dataclasses import dataclass, fields

from labelkit.settings import BuildSettings


@dataclass(frozen=True)
class LabelOptions:
    """How a frame is labelled. Each field is the setting of the same name, which holds its default and its reason."""

    region: str
    plane_engine: str
    inlier_mm: float
    refit_mm: float
    crop: str
    crop_margin: float
    with_depth: bool
    with_contour: bool
    min_points: int
    max_rms_mm: float
    min_inliers: float
    max_tilt_deg: float

    @classmethod
    def from_settings(cls, settings: BuildSettings) -> LabelOptions:
        """Take from a build's settings what labelling reads."""
        return cls(**{field.name: getattr(settings, field.name) for field in fields(cls)})
