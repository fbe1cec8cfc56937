"""One version everywhere, and notes for the release that a tag makes."""

from __future__ import annotations

import re
import runpy
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
notes = runpy.run_path(str(ROOT / "tools" / "release-notes.py"))["notes"]


def test_the_citation_names_the_same_version():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {PROJECT['version']}\n" in citation


def test_the_notes_are_the_section_of_the_version():
    section = notes(PROJECT["version"])
    assert section.startswith("### ") and "\n## " not in section


def test_another_tag_makes_no_release():
    with pytest.raises(ValueError, match=r"version 99\.0\.0"):
        notes("99.0.0")


def test_hooks_lint_with_the_pinned_version():
    pins = dict(re.findall(r"^([\w-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert re.search(r"ruff-pre-commit\n    rev: v(\S+)", hooks)[1] == pins["ruff"]
