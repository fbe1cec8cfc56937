"""A record tells all that decides a pixel, of this version and of older ones."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from napari_vaesr.engine.record import SCHEMA, ModelVersion, Record, RecordedInput
from napari_vaesr.engine.settings import make_settings
from napari_vaesr.errors import VaesrError
from napari_vaesr.imaging.axes import Axes
from napari_vaesr.imaging.intensity import IntensityScaling
from napari_vaesr.imaging.region import Region

AXES = Axes.parse("TCZYX", (2, 3, 4, 20, 30))


def recorded(axes=AXES, **changes):
    values = {
        "model": ModelVersion(name="tiny", version="1", sha256="ab" * 32),
        "network": "c0ffee",
        "settings": make_settings(model="tiny", device="cpu", precision="float32"),
        "axes": axes.names,
        "input": RecordedInput(shape=axes.shape, dtype="uint16"),
        "intensity": [IntensityScaling(offset=n, gain=1 + n) for n in range(axes.lengths.get("C", 1))],
        "extent": Region().of(axes.lengths),
    }
    return Record(**values | changes)


def test_json_brings_it_back():
    record = recorded(messages=("said",), halo=7)
    told = json.loads(json.dumps(record.plain()))
    assert told["schema_version"] == SCHEMA
    assert Record.read({**told, "files": {"input": "a.tif"}, "layer": {}}) == record
    assert Record.read(told).plain() == told
    older = {**told, "settings": {**told["settings"]}}
    del older["settings"]["sections"]
    assert Record.read(older) == record


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"seed": 1}, "seed"),
        ({"samples": 5}, "samples"),
        ({"scale": 3}, "scale"),
        ({"sections": "thick"}, "sections"),
        ({"uncertainty": "relative"}, "uncertainty"),
        ({"device": "cuda:1"}, "device"),
    ],
)
def test_what_decides_pixels_makes_another(change, name):
    record = recorded()
    other = recorded(settings=record.settings.model_copy(update=change))
    assert other != record and other.differences(record) == [name]


def test_other_weights_intensities_or_parts_make_another():
    record, part = recorded(), Region(Z=range(1, 2)).of(AXES.lengths)
    assert recorded(extent=part).differences(record) == ["extent"]
    assert recorded(network="another").differences(record) == ["network"]
    weights = record.model.model_copy(update={"sha256": "cd" * 32})
    assert recorded(model=weights).differences(record) == ["model"]
    assert recorded(intensity=record.intensity[::-1]).differences(record) == ["intensities"]


def test_what_older_records_do_not_tell_is_no_difference():
    record = recorded(alike_planes=0.8)
    assert recorded(alike_planes=0.5).differences(record) == ["alike_planes"]
    assert recorded() == record == recorded(alike_planes=0.8, network="")


def test_what_decides_none_makes_no_other():
    record = recorded()
    tiles = record.settings.model_copy(update={"tile": 64, "memory": 9, "model": "/elsewhere/tiny.json"})
    other = recorded(settings=tiles, version="9", torch="9", messages=("halved",), device_reason="why")
    assert other == record and hash(other) == hash(record)
    assert recorded(network="") == record, "older records do not tell it"
    cuda = [record.settings.model_copy(update={"device": name}) for name in ("cuda:0", "cuda:1")]
    assert recorded(settings=cuda[0]) == recorded(settings=cuda[1])


@given(st.data())
def test_a_record_tells_its_region(data):
    region = {}
    for name, length in AXES.lengths.items():
        start = data.draw(st.integers(0, length - 1))
        region[name] = range(start, data.draw(st.integers(start + 1, length)))
    about = recorded(extent=Region(region)).plain()
    expected = Region(region).less_whole(AXES.lengths)
    assert Record.read(about).region == expected
    planes = AXES.planes_of(Region(region))
    older = {"planes": planes, "rows": about["extent"]["Y"], "columns": about["extent"]["X"]}
    assert Record.read({**about, "extent": older}).region == expected
    if len(planes) == AXES.plane_count:
        assert Record.read({**about, "extent": {**older, "planes": None}}).region == expected


def test_planes_with_gaps_are_no_region():
    axes = Axes.parse("ZYX", (4, 20, 30))
    told = recorded(axes).plain() | {"extent": {"planes": [0, 2], "rows": [0, 20], "columns": [0, 30]}}
    with pytest.raises(VaesrError, match="gaps"):
        Record.read(told)


def test_what_is_no_record_is_refused():
    told = recorded().plain()
    with pytest.raises(VaesrError, match="lacks axes, input"):
        Record.read({name: value for name, value in told.items() if name not in ("axes", "input")})
    with pytest.raises(VaesrError, match="newer version"):
        Record.read(told | {"schema_version": SCHEMA + 1})
    with pytest.raises(VaesrError, match=r"settings\.samples can't be read"):
        Record.read(told | {"settings": told["settings"] | {"samples": 0}})


def test_channels_that_were_upscaled():
    record = recorded(extent=Region(C=range(1, 3)).of(AXES.lengths))
    assert record.channels == range(1, 3)
    assert record.bright == [(1.0, 3.0), (2.0, 5.0)]
    assert recorded(Axes.parse("YX", (5, 6))).channels == range(1)
