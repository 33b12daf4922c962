from __future__ import annotations

from tests.live.conftest import raw

__all__ = ["raw"]
