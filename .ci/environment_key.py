"""Prints a hash of everything that an environment is installed from: dependencies, extra arguments, Python."""

import hashlib
import json
import sys
from pathlib import Path

if sys.version_info < (3, 11):  # noqa: UP036  this runs before anything has checked it
    found = sys.version.split()[0]
    sys.exit(f"Python 3.11 or newer is needed, {sys.executable} is {found}; pass make PYTHON=python3.11.")

import tomllib

pyproject = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text(encoding="utf-8"))
project = pyproject["project"]
parts = [project[name] for name in ("dependencies", "optional-dependencies", "scripts")]
recipe = json.dumps([pyproject["build-system"], *parts, sys.argv[1:], sys.version_info[:2]], sort_keys=True)
print(hashlib.sha256(recipe.encode()).hexdigest()[:16])
