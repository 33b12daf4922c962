"""What to do when a frame is rejected, in words for the person in front of the camera."""

from __future__ import annotations

from collections.abc import Mapping

from labelkit.records import Reason

ADVICE: Mapping[Reason, str] = {
    Reason.NO_HAND: "Hold your open hand toward the camera, nearer than everything else.",
    Reason.TWO_HANDS: "Show one hand only, and take the other one away.",
    Reason.HAND_CUT_BY_BORDER: "The hand touches the edge: move it to the middle of the picture.",
    Reason.TOO_FEW_POINTS: "Move closer, and show your wrist: too little of the palm can be seen.",
    Reason.NOT_PLANAR: "Open the hand and keep it flat, with its palm toward the camera.",
    Reason.TOO_OBLIQUE: "Turn the palm back toward the camera a little.",
    Reason.MISSING_PAIR: "One of the two pictures did not come: is the recording program still running?",
    Reason.DECODE: "A picture came damaged: look at the recording program and its disk.",
    Reason.IO: "A picture cannot be read: look at the disk and its permissions.",
    Reason.DUPLICATE: "This picture was there before: is the recording program stuck?",
    Reason.UNIT: "The depth is not in the unit that recording.toml states: correct depth_unit_m.",
    Reason.SIZE: "The picture is not of the size that recording.toml states: correct it, or the camera's settings.",
    Reason.TOO_DARK: "The colour picture is black: turn on a light, and look at the camera's lens and exposure.",
    Reason.WORKER_CRASH: "This picture could not be looked at; go on with the next one.",
    Reason.EXCLUDED: "This recording is being left out (--exclude in the build's settings).",
}
