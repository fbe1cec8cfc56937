"""Make safetensors of a .pth file, in a process of its own that can read tensors and nothing else."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from napari_vaesr.errors import VaesrError


@dataclass(frozen=True)
class Converted:
    """What was taken out of a file.

    Attributes
    ----------
    key : str
        Under which name the weights lay; empty where they were all there was.
    tensors : int
        How many were kept.
    left_out : tuple of str
        Names of what is no tensor, or no weights of the network.
    """

    key: str
    tensors: int
    left_out: tuple[str, ...]


def convert(file: Path, destination: Path, *, licence: str = "", authors: str = "") -> Converted:
    """Write the weights in a ``.pth`` file as safetensors.

    The file is read by another process with ``torch.load(weights_only=True)``, which makes tensors and plain
    containers and calls nothing else that a file may name. Whatever goes wrong there stays there.

    Parameters
    ----------
    file : Path
        The ``.pth`` file.
    destination : Path
        A ``.safetensors`` file, which is replaced.
    licence, authors : str
        Noted in the file, for models that stand on it.

    Returns
    -------
    Converted
        What was done.

    Raises
    ------
    VaesrError
        When it can't be read in that way, holds no weights, is the destination itself, or the result can't be
        written.
    """
    if destination.suffix.lower() != ".safetensors":
        raise VaesrError(f"Weights are converted to a .safetensors file, and {destination.name} is none.")
    if not file.is_file():
        raise VaesrError(f"There is no file {file}; check the path.")
    if destination.exists() and destination.samefile(file):
        raise VaesrError(f"{file} is .safetensors already: give it to napari-vaesr train --over as it is.")
    from napari_vaesr.files.atomic import atomic_path

    metadata = {name: text for name, text in (("license", licence), ("author", authors)) if text}
    try:
        destination.parent.mkdir(parents=True, exist_ok=True)
        with atomic_path(destination) as temporary:
            # -P: what lies in the folder that one works in is not imported.
            command = [sys.executable, "-P", "-m", __name__, str(file), str(temporary), json.dumps(metadata)]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode != 0:
                reason = (done.stderr.strip().splitlines() or ["it ended"])[-1]
                raise VaesrError(
                    f"{file} can't be converted ({reason[:200]}): get the weights in another form, best as "
                    ".safetensors."
                )
    except OSError as error:
        raise VaesrError(f"{destination} can't be written ({error.strerror or error}).") from error
    told = json.loads(done.stdout)
    return Converted(told["key"], told["tensors"], tuple(told["left_out"]))


KEYS = ("params_ema", "params", "state_dict", "model_state_dict", "net", "model", "generator", "g")
"""Where trainings put the weights; averaged ones first."""


def main(source: str, destination: str, metadata: str) -> None:
    """Convert; the work of the other process.

    Parameters
    ----------
    source : str
        The ``.pth`` file; no code in it is run.
    destination : str
        The safetensors file to write.
    metadata : str
        What to write into it besides, an object of strings as JSON.
    """
    import torch

    from napari_vaesr.zoo.weights import tensor_bytes

    try:
        content = torch.load(source, map_location="cpu", weights_only=True)
    except Exception as error:  # whatever a file can raise
        raise SystemExit(_refused(str(error))) from None
    if not isinstance(content, dict):
        raise SystemExit("it holds no weights by name")
    key = next((name for name in KEYS if isinstance(content.get(name), dict)), "")
    weights = content[key] if key else content
    tensors = {
        str(name): each.contiguous().clone()
        for name, each in weights.items()
        if isinstance(each, torch.Tensor)
    }
    if not tensors:
        raise SystemExit("it holds no weights by name")
    left_out = [str(name) for name in weights if str(name) not in tensors]
    left_out += [str(name) for name in content if key and name != key]
    Path(destination).write_bytes(tensor_bytes(tensors, {"format": "pt", **json.loads(metadata)}))
    print(json.dumps({"key": key, "tensors": len(tensors), "left_out": left_out}))  # noqa: T201


def _refused(reason: str) -> str:
    """Say why PyTorch refuses a file; its own words are of how to read it in a way that is not safe."""
    if named := re.search(r"GLOBAL (\S+)", reason):
        return f"it holds {named[1]} beside tensors, which takes code to make"
    if "TorchScript" in reason:
        return "it is TorchScript, which napari-vaesr train --over takes as it is"
    return "it is damaged, or not of PyTorch"


if __name__ == "__main__":
    main(*sys.argv[1:])
