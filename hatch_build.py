"""A built package carries the scenarios, which a checkout keeps beside the package."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface


class ScenariosHook(BuildHookInterface):
    """Puts scenarios/ into the wheel; an editable install reads them where they lie."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the folder to what goes into the wheel."""
        if version == "standard" and (Path(self.root) / "scenarios").is_dir():
            build_data["force_include"]["scenarios"] = "funnelsim/scenarios"
