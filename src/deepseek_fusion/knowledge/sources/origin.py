"""What a row says about itself: its source, how sure it is, and when it was stated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from deepseek_fusion.core.errors import FusionError
from deepseek_fusion.knowledge.sources.knowledge import Origin
from deepseek_fusion.knowledge.sources.text import clean

ABOUT_ITSELF = ("source", "confidence", "time")


def stated_origin(place: str, read_from: Origin, fields: Mapping[str, Any]) -> Origin:
    """The fields `source`, `confidence` and `time`, or where the row was read from.

    Raises:
        FusionError: the confidence is no number from 0 to 1, or another field is no text.
    """
    source, time = clean(place, "source", fields.get("source")), clean(place, "time", fields.get("time"))
    confidence = _confidence(place, fields.get("confidence"))
    return Origin(source, 0, confidence, time) if source else read_from._replace(confidence=confidence, time=time)


def _confidence(place: str, value: Any) -> float:
    if value is None or value == "":
        return 1.0
    try:
        number = -1.0 if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = -1.0
    if not 0 <= number <= 1:
        raise FusionError(f"{place}: `confidence` is {value!r:.40}; write a number from 0 to 1.")
    return number
