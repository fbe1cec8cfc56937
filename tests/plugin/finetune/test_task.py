from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from napari.layers import Image

from napari_vaesr.engine.progress import Progress
from napari_vaesr.errors import VaesrError
from napari_vaesr.plugin.finetune.task import (
    FineTuneTask,
    LayerPixels,
    Request,
    discard,
    free_name,
    name_checked,
    runs_folder,
    unfinished,
)
from napari_vaesr.plugin.viewer.task import Failure
from napari_vaesr.training.events import Losses, Pictures, Validation, Verdict
from napari_vaesr.zoo.folders import user_models
from napari_vaesr.zoo.registry import get_card, models

pytestmark = pytest.mark.filterwarnings("ignore:::lightning", "ignore::Warning:lightning.*")


@pytest.fixture(autouse=True)
def own_models(tiny_model_path, tmp_path, monkeypatch):
    """The tiny model among the user's own, in a folder of this test."""
    folder = tmp_path / "data" / "models"
    shutil.copytree(tiny_model_path.parent, folder)
    monkeypatch.setenv("NAPARI_VAESR_MODELS", str(folder))
    return folder


def spots(shape=(2, 80, 160)):
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[: shape[-2], : shape[-1]]
    centres = rng.random((40, 2)) * shape[-2:]
    plane = sum(np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / 8) for y, x in centres)
    return (np.broadcast_to(plane, shape) * 1000 + rng.random(shape) * 20).astype("uint16")


@pytest.fixture
def request_():
    """A request that takes a second or two."""
    layer = Image(spots(), name="spots")
    return Request("test-tiny", "mine", minutes=0.02, high=LayerPixels(layer, "ZYX"), batch=1)


def told(task, kind):
    found = []
    while not task.events.empty():
        found.append(task.events.get())
    return [event for event in found if isinstance(event, kind)]


def test_from_a_layer_to_a_model_in_the_list(request_):
    task = FineTuneTask(request_)
    outcome = task.run()
    assert not isinstance(outcome, Failure), outcome.message
    assert outcome.kind == "saved" and outcome.verdict.gain > 0
    card = models()["mine"]
    assert card == outcome.card and card.training["start"]["name"] == "test-tiny"
    assert "spots" in card.training_data[-1].origin and set(card.calibration) == {"2", "3", "4"}
    assert task.request is None and not any(runs_folder().iterdir())
    events = told(task, (Progress, Losses, Verdict, Pictures))
    assert {type(event) for event in events} == {Progress, Losses, Verdict, Pictures}
    lines = [event.message for event in events if isinstance(event, Progress)]
    assert any("Blur of" in line and "%" in line for line in lines)


def test_paused_it_is_listed_and_goes_on(request_):
    task = FineTuneTask(request_)
    task.pause()  # before it has begun: nothing is kept
    outcome = task.run()
    assert outcome.kind == "cancelled" and not unfinished()

    task = FineTuneTask(replace(request_, minutes=60))  # one of seconds may be over before it is paused
    pauses = iter([False] * 4 + [True] * 1000)
    task.is_aborted = lambda: next(pauses)  # as napari does when it closes
    outcome = task.run()
    assert outcome.kind == "paused", outcome
    (run,) = unfinished()
    assert run.title.startswith("mine (") and "mine" not in models()
    config = run.folder / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"hours": 0.0003}))  # the rest of it
    again = FineTuneTask(folder=run.folder)
    assert again.run().kind == "saved"
    assert "mine" in models() and not unfinished()


def pause_at_the_first_losses(request):
    """Begin a training that would take many minutes: one of seconds may be over before it tells of losses."""
    task = FineTuneTask(replace(request, minutes=60))
    put = task.events.put

    class Events:
        def put(self, event):
            put(event)
            if isinstance(event, Losses):
                task.pause()

    task.events = Events()
    assert task.run().kind == "paused"


@pytest.mark.parametrize("name", ["mine", 100 * "m"])
def test_a_model_of_the_name_that_came_meanwhile_stays(request_, own_models, name):
    pause_at_the_first_losses(replace(request_, name=name))
    other = get_card("test-tiny").model_copy(update={"name": name, "title": "Another training"})
    (own_models / f"{name}.json").write_text(other.to_json())
    shutil.copy(own_models / "test-tiny.safetensors", own_models / f"{name}.safetensors")
    outcome = FineTuneTask(folder=unfinished()[0].folder).save()
    assert outcome.kind == "saved", outcome
    new = f"{name[:98]}-2"
    assert outcome.card.name == new and models()[new] == outcome.card
    assert models()[name] == other


@pytest.mark.parametrize("stop", ["pause", "cancel"])
def test_it_stops_while_the_start_is_checked_too(request_, stop):
    task = FineTuneTask(request_)
    put = task.events.put

    class Events:
        def put(self, event):
            put(event)
            if isinstance(event, Progress) and event.message == "Checking the start":
                getattr(task, stop)()

    task.events = Events()
    assert task.run().kind == {"pause": "paused", "cancel": "cancelled"}[stop]
    assert len(unfinished()) == (stop == "pause")
    if stop == "pause":
        assert FineTuneTask(folder=unfinished()[0].folder).run().kind == "saved"


def test_paused_it_can_be_saved_as_it_is(request_):
    pause_at_the_first_losses(request_)
    outcome = FineTuneTask(folder=unfinished()[0].folder).save()
    assert outcome.kind == "saved" and "mine" in models() and not unfinished()


def test_cancelled_nothing_is_kept(request_):
    task = FineTuneTask(request_)
    put = task.events.put

    def cancel_at_the_first_step(event):
        put(event)
        if isinstance(event, Verdict):
            task.cancel()

    task.events = type("Queue", (), {"put": staticmethod(cancel_at_the_first_step)})()
    assert task.run().kind == "cancelled"
    assert not unfinished() and "mine" not in models()


def test_without_gain_nothing_is_saved_until_one_asks(request_, monkeypatch):
    from napari_vaesr.training.finetune import FineTune

    worse = Verdict((Validation(step=0, scores={"2": 30.0}), Validation(step=9, scores={"2": 29.5})))
    monkeypatch.setattr(FineTune, "verdict", worse)
    task = FineTuneTask(request_)
    assert task.run().kind == "no gain" and "mine" not in models()
    (run,) = unfinished()
    assert FineTuneTask(folder=run.folder).save().kind == "saved" and "mine" in models()


@pytest.mark.parametrize("blur_from", ["model", "measured"])
def test_blur_and_noise_are_those_asked_for(request_, blur_from):
    from dataclasses import replace

    task = FineTuneTask(replace(request_, blur_from=blur_from, psf=1.5, noise=0.04))
    stops = iter([False] * 3 + [True] * 1000)
    task.is_aborted = lambda: next(stops)
    task.run()
    from napari_vaesr.training.finetune import FineTune

    degradation = FineTune(unfinished()[0].folder).config.degradation
    if blur_from == "measured":
        assert degradation.blur == (0.75, 1.5) and degradation.read_noise == (0.02, 0.06)
    else:
        assert degradation.blur == (0, 0) and degradation.read_noise == (0, 0)


def test_pairs_of_layers(request_):
    from dataclasses import replace

    from napari_vaesr.pairs.degradation import downscaled

    low = Image(downscaled(spots().astype("float32"), 2), name="low")
    asked = replace(request_, low=LayerPixels(low, "ZYX"))
    asked.check()
    outcome = FineTuneTask(asked).run()
    assert outcome.kind == "saved", outcome
    assert "low' and 'spots" in outcome.card.training_data[-1].origin


def test_what_cannot_be_run_is_said_first(request_, tmp_path):
    from dataclasses import replace

    small = Image(np.zeros((30, 50)), name="small")
    for change, words in (
        ({"name": "test-tiny"}, "called 'test-tiny' already"),
        ({"name": "a b"}, "letters, digits"),
        ({"high": None}, "Choose an image"),
        ({"folder": tmp_path / "none"}, "does not exist"),
        ({"start": "unknown"}, "no model named"),
        ({"low": LayerPixels(small, "YX")}, "2 or 3 or 4 times as many pixels"),
    ):
        with pytest.raises(VaesrError, match=words):
            replace(request_, **change).check()
    failure = FineTuneTask(replace(request_, high=LayerPixels(small, "YX"))).run()
    assert isinstance(failure, Failure) and "too small" in failure.message
    assert not unfinished()


def test_an_unexpected_error_is_one_sentence(request_, monkeypatch, caplog):
    import napari_vaesr.pairs.material

    def broken(*_, **__):
        raise RuntimeError("wires crossed\nsecond line")

    monkeypatch.setattr(napari_vaesr.pairs.material, "material_from_image", broken)
    failure = FineTuneTask(request_).run()
    assert failure == Failure("The fine-tuning failed: RuntimeError: wires crossed")
    assert "second line" in caplog.text


def test_names(own_models):
    assert free_name("test-tiny") == "test-tiny-tuned"
    for number in ("", "-2"):
        shutil.copy(own_models / "test-tiny.json", own_models / f"x{number}.json")
        path = own_models / f"x{number}.json"
        path.write_text(get_card(path).model_copy(update={"name": f"test-tiny-tuned{number}"}).to_json())
    assert free_name("test-tiny") == "test-tiny-tuned-3"
    assert free_name("/some/where/my model.json") == "my-model-tuned"
    name_checked("fine-name_1.2")
    for start in ("_mine.json", "细胞.zip", "-x.zip", "." * 3, 200 * "a"):
        name_checked(free_name(start))


def test_only_runs_are_discarded(tmp_path):
    other = tmp_path / "other"
    other.mkdir()
    discard(other)
    assert other.exists()
    run = runs_folder() / "mine-20260101-000000"
    run.mkdir(parents=True)
    discard(run)
    assert not run.exists() and user_models().exists() and isinstance(run, Path)
