"""Teach a DeepSeek-family language model a domain, and see which facts it learned, kept and lost.

Importing this package loads nothing; each public name loads its room when it is first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deepseek_fusion.core.config import Config
    from deepseek_fusion.core.errors import FusionError
    from deepseek_fusion.core.project import load_config
    from deepseek_fusion.pipeline import teach

__version__ = "0.1.0"

_HOMES = {
    "Config": "core.config",
    "FusionError": "core.errors",
    "load_config": "core.project",
    "teach": "pipeline",
}

__all__ = ["Config", "FusionError", "__version__", "load_config", "teach"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def __dir__() -> list[str]:
    return __all__
