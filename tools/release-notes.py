"""Print what CHANGELOG.md says of a version, if that is the version of pyproject.toml.

python tools/release-notes.py v0.2.0
"""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[1]


def notes(version: str) -> str:
    """Return the section of a version, without its heading.

    Raises
    ------
    ValueError
        When the changelog has none, or the project is at another version.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    if version != project["version"]:
        raise ValueError(f"The tag is of version {version}, and pyproject.toml of {project['version']}.")
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    section = re.search(rf"^## \[{re.escape(version)}\][^\n]*\n(.*?)(?=^## \[|\Z)", changelog, re.M | re.S)
    if section is None:
        raise ValueError(f"CHANGELOG.md has no section of version {version}.")
    return section[1].strip()


if __name__ == "__main__":
    try:
        print(notes(sys.argv[1].removeprefix("v")))
    except ValueError as error:
        sys.exit(str(error))
