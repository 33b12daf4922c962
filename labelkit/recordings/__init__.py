"""Readers of raw recordings: they turn files into frames in metres and RGB."""

from labelkit.recordings.discover import READERS, find_recordings, open_recording
from labelkit.recordings.listing import matches, source_path

__all__ = ["READERS", "find_recordings", "matches", "open_recording", "source_path"]
