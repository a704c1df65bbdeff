"""Reading a project file: YAML and overrides in, a checked configuration or one clear sentence out."""

from __future__ import annotations

import difflib
import typing
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel, ValidationError

from deepseek_fusion.core.config import Config
from deepseek_fusion.core.errors import FusionError


def load_config(path: Path, overrides: Iterable[str] = ()) -> Config:
    """Read a project file.

    Args:
        path: the YAML file.
        overrides: ``section.field=value`` strings; values are read as YAML.

    Raises:
        FusionError: the file is missing, is not YAML, or has an unknown key or a bad value.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise FusionError(f"{path}: no such project file; give the path of a YAML file.") from None
    except IsADirectoryError:
        raise FusionError(f"{path}: is a folder; give the path of the YAML file in it.") from None
    except UnicodeDecodeError as error:
        raise FusionError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8.") from None
    try:
        tree = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise FusionError(f"{path}: not valid YAML ({_yaml_place(error)}); mend that line.") from None
    if not isinstance(tree, dict):
        raise FusionError(f"{path}: a project is a mapping with at least `name` and `knowledge`; this file is not.")
    for override in overrides:
        _apply(tree, override)
    try:
        config = Config.model_validate(tree)
    except ValidationError as error:
        raise FusionError(f"{path}: {_first_problem(error)}") from None
    config._file = path.resolve()
    return config


def only_project() -> Path:
    """The project file of the current folder, if there is one.

    Raises:
        FusionError: there is none, or there are several.
    """
    candidates = sorted(Path().glob("*.yaml"))
    if not candidates:
        raise FusionError(f"{Path.cwd()}: no *.yaml project here; pass one with --project PROJECT.yaml.")
    if len(candidates) > 1:
        names = ", ".join(map(str, candidates))
        raise FusionError(f"{Path.cwd()}: several projects here; pass one of {names} with --project.")
    return candidates[0]


def _apply(tree: dict[str, Any], override: str) -> None:
    name, separator, value = override.partition("=")
    if not separator or not name:
        raise FusionError(f"--set {override}: write it as section.field=value.")
    *parents, leaf = name.split(".")
    for parent in parents:
        child = tree.setdefault(parent, {})
        if not isinstance(child, dict):
            raise FusionError(f"--set {override}: `{parent}` is a value, not a section.")
        tree = child
    try:
        tree[leaf] = yaml.safe_load(value)
    except yaml.YAMLError:
        raise FusionError(f"--set {override}: the value is not valid YAML; quote it.") from None


def _yaml_place(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    problem = getattr(error, "problem", None) or "unreadable"
    return f"line {mark.line + 1}: {problem}" if mark else str(problem)


def _first_problem(error: ValidationError) -> str:
    problem = error.errors(include_url=False)[0]
    place = [str(part) for part in problem["loc"]]
    field = ".".join(place)
    if problem["type"] == "extra_forbidden":
        known = _fields_at(place[:-1])
        near = difflib.get_close_matches(place[-1], known, n=1, cutoff=0.5)
        hint = f"did you mean `{near[0]}`?" if near else f"the keys here are: {', '.join(sorted(known))}."
        return f"unknown key `{field}`; {hint}"
    if problem["type"] == "missing":
        return f"`{field}` is missing; add it."
    return f"`{field}` {problem['msg'][0].lower()}{problem['msg'][1:]}, not {problem['input']!r}."


def _fields_at(place: list[str]) -> list[str]:
    section: type[BaseModel] = Config
    for part in place:
        field = section.model_fields.get(part)
        kind = field.annotation if field else None
        for candidate in (kind, *typing.get_args(kind)):  # a section, or a mapping of names to sections
            if isinstance(candidate, type) and issubclass(candidate, BaseModel):
                section = candidate
    return list(section.model_fields)
