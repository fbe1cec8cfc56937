"""The house stays readable: files are short, knowledge is in few places, and tests are where one looks."""

from __future__ import annotations

import ast
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

TESTS = Path(__file__).parent

SOURCE = TESTS.parent / "src" / "napari_vaesr"

FILES = sorted(SOURCE.rglob("*.py"))

LINES, LINES_OF_FUNCTION = 400, 80

PLACES = {
    "neighbouring planes": (
        {"frames", "context", "middle", "neighbours_of", "are_apart", "apart", "Cuts"},
        {
            "engine/settings.py",
            "engine/surroundings.py",
            "imaging/intensity.py",
            "imaging/likeness.py",
            "pairs/degradation.py",
            "pairs/neighbours.py",
            "training/config.py",
            "vae/base.py",
            "vae/config.py",
        },
    ),
    "factors along Z": (
        {
            "row_factors",
            "sections",
            "isotropic",
            "axial",
            "thick",
            "thinned",
            "rows_only",
            "row_weights",
            "bring_to",
            "settled",
        },
        {
            "batch/targets.py",
            "engine/answer.py",
            "engine/conditions.py",
            "engine/passes.py",
            "engine/settings.py",
            "pairs/degradation.py",
            "pairs/settings.py",
            "plugin/viewer/preferences.py",
            "plugin/widgets/factor_inputs.py",
            "training/config.py",
            "training/truths.py",
            "vae/config.py",
            "vae/consistent.py",
        },
    ),
    "own kinds of network": (
        {"ladder_vae", "conv_vae", "LadderVAE", "ConvVAE"},
        {
            "cli/training_request.py",
            "vae/build.py",
            "vae/config.py",
            "vae/conv_vae.py",
            "vae/ladder.py",
            "vae/over.py",
        },
    ),
}
"""By capability the names that it has in code, and where they may be.

Names stand for knowledge: a file that knows of it in other words is not among these.
"""

TESTED_IN = {
    "cli/test_train.py": {"cli/training_options.py"},
    "cli/test_upscale.py": {"batch/outlook.py", "cli/options.py", "cli/progress.py"},
    "cli/test_upscale_resume.py": {"batch/job_blocks.py"},
    "engine/test_passes.py": {"engine/pixels.py", "engine/stage.py"},
    "files/test_remote.py": {"files/zarr_store.py"},
    "files/test_tiff_output.py": {"files/output.py"},
    "plugin/finetune/test_panel.py": {
        "plugin/finetune/exchange.py",
        "plugin/finetune/form.py",
        "plugin/finetune/plot.py",
    },
    "plugin/inspect/test_panel.py": {
        "plugin/inspect/line_measure.py",
        "plugin/inspect/maps.py",
        "plugin/inspect/origin.py",
        "plugin/inspect/profile.py",
        "plugin/inspect/profile_plot.py",
        "plugin/inspect/trust_layer.py",
        "plugin/widgets/plot.py",
    },
    "plugin/io/test_opening.py": {"plugin/io/adopting.py"},
    "plugin/upscale/test_panel.py": {
        "plugin/upscale/extent_inputs.py",
        "plugin/upscale/form.py",
        "plugin/viewer/shortcuts.py",
        "plugin/widgets/inputs.py",
        "plugin/widgets/model_list.py",
        "plugin/widgets/panel.py",
        "plugin/widgets/setting_inputs.py",
    },
    "plugin/upscale/test_preview.py": {"plugin/upscale/preview_controls.py"},
    "training/test_recorded_patches.py": {"pairs/recorded.py"},
    "trust/test_measure.py": {"trust/layer_source.py"},
}
"""Where sources are tested that have no tests of their name: parts of a panel, a command or a chain."""

WITHOUT_TESTS = {"arrays.py", "luma.py", "training/sources.py"}
"""Sources that do nothing: names of types, weights of luma, and where images come from."""

TESTS_OF_MORE = {
    "cli/test_app.py": "all commands together, and what starting them loads",
    "cli/test_over.py": "from a network of other makers to a model, by four commands",
    "docs/test_examples.py": "the documentation",
    "fuzz/test_fuzz.py": "random arrays and damaged files, through every door",
    "plugin/test_manifest.py": "napari.yaml",
    "plugin/test_removing.py": "layers that go while any panel works on them",
    "test_benchmarks.py": "the scripts in benchmarks",
    "test_house.py": "this",
    "test_packaging.py": "the wheel",
    "test_photographs.py": "a script in tools",
    "test_public.py": "the public names, in the package's own __init__.py",
    "test_release.py": "the version and the notes of a release",
    "test_sample_images.py": "the sample images, which are a package of files",
}
"""Tests of no source alone, and what they are of."""


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(SOURCE).as_posix())
def test_files_and_functions_are_short(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= LINES
    long = {
        f"{node.name} ({lines_of(node)})"
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef) and lines_of(node) > LINES_OF_FUNCTION
    }
    assert not long


def lines_of(function: ast.FunctionDef) -> int:
    """Return the length of a function, with its docstring."""
    return (function.end_lineno or 0) - function.lineno + 1


def test_no_module_needs_one_that_needs_it():
    """Not even where it imports it late, inside a function, or for types alone."""
    names = {".".join(path.relative_to(SOURCE.parent).with_suffix("").parts): path for path in FILES}
    needs = {name: imported_by(name, path) & names.keys() for name, path in names.items()}
    assert all(needs[name] for name in ("napari_vaesr.engine.job", "napari_vaesr.cli.train"))
    list(TopologicalSorter(needs).static_order())  # raises CycleError


def imported_by(name: str, path: Path) -> set[str]:
    """Return the modules, and what may be modules, that a module imports anywhere."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    found: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            above = name.rsplit(".", node.level)[0] if node.level else ""
            module = ".".join(filter(None, (above, node.module)))
            found |= {module, *(f"{module}.{each.name}" for each in node.names)}
        elif isinstance(node, ast.Import):
            found |= {each.name for each in node.names}
    return found


@pytest.mark.parametrize("capability", PLACES)
def test_what_it_can_do_is_known_in_few_places(capability):
    words, places = PLACES[capability]
    ours = [path for path in FILES if path.parent.name != "files"]  # formats have words of their own
    found = {path.relative_to(SOURCE).as_posix() for path in ours if words & names_in(path)}
    assert found == places


def names_in(path: Path) -> set[str]:
    """Return what a module defines, imports, reads of objects and passes by name, and its one-word texts."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        match node:
            case ast.Attribute(attr=name) | ast.alias(name=name) | ast.keyword(arg=str(name)):
                names.add(name)
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.AnnAssign(target=ast.Name(id=name)) | ast.Constant(value=str(name)):
                names.add(name)
    return names


def test_tests_lie_where_their_sources_do():
    """Those of ``room/part.py`` in ``room/test_part.py``; more in ``room/test_part_more.py``."""
    sources = {path.relative_to(SOURCE).as_posix() for path in FILES if path.name != "__init__.py"}
    tests = {path.relative_to(TESTS).as_posix() for path in TESTS.rglob("test_*.py")}
    of = {test: max((each for each in sources if is_of(test, each)), key=len, default="") for test in tests}
    assert {test for test in tests if not of[test]} == set(TESTS_OF_MORE)
    assert sources - set(of.values()) == set().union(*TESTED_IN.values()) | WITHOUT_TESTS
    assert set(TESTED_IN) <= tests


def is_of(test: str, source: str) -> bool:
    room, slash, part = source.removesuffix(".py").rpartition("/")
    return test.replace(".py", "_").startswith(f"{room}{slash}test_{part}_")
