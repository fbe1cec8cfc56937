"""The same blocks on many processes or machines, by dask.distributed: one model on each worker.

A worker opens the input and the output by their paths and writes its blocks itself, so both have to be on a
disk that all workers see. A block whose worker dies is computed by another.
"""

from __future__ import annotations

import os
import re
from collections.abc import Generator, Iterable, Iterator
from concurrent.futures import CancelledError
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from threading import Lock
from typing import TYPE_CHECKING, Any

from napari_vaesr.engine.record import Record, network_hash
from napari_vaesr.engine.settings import UpscaleSettings
from napari_vaesr.errors import TryAgain, VaesrError
from napari_vaesr.files.place import Place

if TYPE_CHECKING:
    from distributed import Client

    from napari_vaesr.engine.blocks import BlockGrid
    from napari_vaesr.engine.device import DeviceChoice
    from napari_vaesr.engine.job import UpscaleJob
    from napari_vaesr.engine.pixels import Stored
    from napari_vaesr.engine.stage import Stage
    from napari_vaesr.engine.stream import Done, Store


CONNECT_SECONDS = 20
CLOSE_SECONDS = 60
AHEAD = 3
"""Blocks that are given out for every thread of the workers, so that none of them waits for the next."""


@dataclass(frozen=True)
class Task:
    """All that a worker needs to compute any block of a result.

    Attributes
    ----------
    key : str
        The same for all blocks of one result.
    source : Path or Address
        The input.
    record : Record
        How the result is made, the model named so that every worker finds it.
    grid : BlockGrid
        The blocks.
    store : Store
        Where they go.
    series : str
        Which of the images in the input; empty where it is the only one.
    number : int
        Which pass they are of.
    made : Stored or None
        What the pass before it made.
    """

    key: str
    source: Place
    record: Record
    grid: BlockGrid
    store: Store
    series: str = ""
    number: int = 0
    made: Stored | None = None


@contextmanager
def cluster_client(scheduler: str | None, workers: int | None) -> Iterator[Client]:
    """Connect to a scheduler, or start workers on this machine for as long as the body runs.

    Parameters
    ----------
    scheduler : str, optional
        Its address, such as ``tcp://10.0.0.1:8786``.
    workers : int, optional
        How many processes to start here; they share the cores, and accelerators go to them in turn.

    Raises
    ------
    VaesrError
        When dask.distributed is not installed or there is no such scheduler.
    """
    try:
        from distributed import Client, LocalCluster
    except ImportError:
        raise VaesrError(
            'Several workers need dask.distributed: pip install "napari-vaesr[distributed]".'
        ) from None
    if scheduler is None:
        import dask

        threads = max((os.cpu_count() or 1) // (workers or 1), 1)
        with (
            # A process that is forked while others compute inherits locks that nobody will open.
            dask.config.set({"distributed.worker.multiprocessing-method": "spawn"}),
            LocalCluster(
                n_workers=workers,
                threads_per_worker=threads,
                memory_limit=0,  # a worker's memory is bounded already, and must not be killed for a guess
                dashboard_address=None,
                # Its other pages need a port all the same: any, for the usual one may be another cluster's.
                scheduler_kwargs={"dashboard_address": "localhost:0"},
                silence_logs=50,
            ) as cluster,
            Client(cluster, set_as_default=False) as client,
        ):
            yield client
        return
    try:
        client = _connected(scheduler)
    except (OSError, ValueError, TypeError) as error:
        raise VaesrError(
            f"No scheduler answers at {scheduler}, please check its address and that it runs."
        ) from error
    with client:
        yield client


def _connected(scheduler: str) -> Client:
    """Connect to a scheduler.

    A client that can't is closed here: else its destructor would, and raise where that takes long.
    """
    from distributed import Client

    class Connected(Client):
        def start(self, **options: Any) -> None:
            try:
                super().start(**options)
            except BaseException:
                self.close(timeout=CLOSE_SECONDS)
                raise

    # As Dask's own scheduler it would be sent what is read here, by paths that mean nothing there.
    return Connected(scheduler, timeout=CONNECT_SECONDS, set_as_default=False)


def cluster_blocks(
    client: Client, job: UpscaleJob, task: Task, numbers: Iterable[int]
) -> Generator[Done, None, None]:
    """Compute and write blocks on the workers; as `stream_blocks`, in any order.

    Parameters
    ----------
    client : distributed.Client
        Whose workers compute.
    job : UpscaleJob
        What is computed; for the progress.
    task : Task
        What workers are told.
    numbers : iterable of int
        Blocks of the pass that are left.

    Yields
    ------
    Done
        For each block that has reached the disk, in any order.

    Raises
    ------
    TryAgain
        When a worker raises an error, workers die again and again over the same block, or the scheduler is
        gone.
    """
    from distributed import KilledWorker, as_completed
    from distributed.comm.core import CommClosedError

    waiting = iter(numbers)

    def submit(running: int) -> list[Any]:
        # Workers may have come meanwhile.
        count = max(AHEAD * max(sum(client.nthreads().values()), 1) - running, 0)
        # Any worker may do it again should the first one die, but no result is taken from an earlier run.
        return [client.submit(_on_worker, task, n, pure=False) for n in islice(waiting, count)]

    running: Any = None
    try:
        running = as_completed(submit(0), loop=client.loop)
        for future in running:
            number, messages = future.result()
            job.messages.extend(messages)
            running.update(submit(running.count()))
            yield job.work(task.number, task.grid[number].size), number
    except KilledWorker as error:
        raise TryAgain(
            "Workers died again and again over the same part, perhaps for lack of memory: please give them "
            "more memory and give the same command again."
        ) from error
    except ModuleNotFoundError as error:
        raise _lacking(error) from error
    except VaesrError as error:
        raise TryAgain(f"A worker says: {error}") from error  # another one may have done much already
    except (CancelledError, CommClosedError) as error:
        raise _lost() from error
    finally:
        if running is not None:
            client.cancel(list(running.futures))


def workers_choice(client: Client, settings: UpscaleSettings) -> DeviceChoice:
    """Ask the first worker there is where it computes and in which number format.

    Parameters
    ----------
    client : distributed.Client
        Of the scheduler.
    settings : UpscaleSettings
        Which device and number format are asked for.

    Raises
    ------
    VaesrError
        When it has no such device, or lacks a package, or the scheduler is gone.
    """
    from distributed.comm.core import CommClosedError

    from napari_vaesr.engine.device import choose_device

    try:
        choice: DeviceChoice = client.submit(
            choose_device, settings.device, settings.precision, pure=False
        ).result()
    except ModuleNotFoundError as error:
        raise _lacking(error) from error
    except (CancelledError, CommClosedError) as error:
        raise _lost() from error
    return choice


def _lost() -> VaesrError:
    return TryAgain(
        "The connection to the scheduler is lost: please check that it runs, and give the same command again."
    )


def _lacking(error: ModuleNotFoundError) -> VaesrError:
    return TryAgain(f"A worker lacks {error.name}: please install the same version of napari-vaesr there.")


_lock = Lock()
_opened: dict[str, Stage] = {}


def _on_worker(task: Task, number: int) -> tuple[int, list[str]]:
    """Compute and write one block; one at a time in each process, for the network uses all of its threads."""
    import dask

    from napari_vaesr.engine.stream import stream_blocks

    # Within a task Dask would read the input by further tasks, for which this one keeps the worker too busy.
    with _lock, dask.config.set(scheduler="synchronous"):
        if task.key not in _opened:
            _opened.clear()
            _opened[task.key] = _open(task)
        stage = _opened[task.key]
        told = len(stage.messages)
        for _ in stream_blocks(stage, task.store, task.grid, [number]):
            pass
        return number, stage.messages[told:]


def _open(task: Task) -> Stage:
    import torch
    from distributed import get_worker

    from napari_vaesr.engine.job import UpscaleJob
    from napari_vaesr.files.image import read_image
    from napari_vaesr.zoo.registry import load_model

    worker = get_worker()
    torch.set_num_threads(worker.state.nthreads)
    record, settings = task.record, task.record.settings
    count = torch.accelerator.device_count()
    if settings.device == "auto" and count > 1:
        kind = torch.accelerator.current_accelerator()
        assert kind is not None
        place = int((re.findall(r"\d+", str(worker.name)) or ["0"])[-1]) % count
        settings = settings.model_copy(update={"device": f"{kind.type}:{place}"})
        record = record.model_copy(update={"settings": settings})
    model = load_model(settings.model)
    if (model.card.sha256, network_hash(model.card)) != (record.model.sha256, record.network):
        raise VaesrError(f"A worker has another model {model.card.name}, please install the same.")
    array = read_image(task.source, record.axes, task.series or None).data
    job = UpscaleJob.from_record(array, record, model=model)
    return job.stage(task.number, task.made or job.original())
