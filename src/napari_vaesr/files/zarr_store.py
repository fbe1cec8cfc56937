"""Open what is stored as Zarr: a folder, a ``.zarr.zip``, or an address by way of fsspec."""

from __future__ import annotations

import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import zarr

from napari_vaesr.errors import TryAgain, VaesrError
from napari_vaesr.files.place import Address, Place
from napari_vaesr.files.remote import RemoteStore
from napari_vaesr.files.zarr_chunks import BoundedStore, bounded

Node = zarr.Array[Any] | zarr.Group

CONNECT = 20
"""Seconds after which a server that is not there counts as gone."""

EXTRA = 'pip install "napari-vaesr[remote]"'


@dataclass(frozen=True)
class ZarrPlace:
    """A group or an array inside of a Zarr store; small, and the same in any process.

    Attributes
    ----------
    place : Path or Address
        The store.
    inside : str
        The path of the node in it.
    """

    place: Place
    inside: str = ""

    def __truediv__(self, name: str) -> ZarrPlace:
        return replace(self, inside=f"{self.inside}/{name}".strip("/"))

    def node(self) -> Node:
        """Open it for reading."""
        node: Node = zarr.open(self._store(), path=self.inside, mode="r")
        return bounded(self.place, node) if isinstance(node, zarr.Array) else node

    def array(self) -> zarr.Array[Any]:
        """Open it, an array, for reading."""
        return bounded(self.place, zarr.open_array(self._store(), path=self.inside, mode="r"))

    def attributes(self) -> Mapping[str, Any]:
        """Return what a group is told to be; empty where there is no group."""
        try:
            return dict(zarr.open_group(self._store(), path=self.inside, mode="r").attrs)
        except VaesrError:
            raise
        except (FileNotFoundError, KeyError, ValueError):
            return {}

    def _store(self) -> Any:
        if isinstance(self.place, Address):
            return _remote(self.place)
        if self.place.is_file():
            return BoundedStore(zarr.storage.ZipStore(self.place, mode="r"))
        return BoundedStore(zarr.storage.LocalStore(self.place, read_only=True))


def zarr_root(place: Place) -> ZarrPlace:
    """Return the outermost node of a store: of a zip file, it may be the only folder in there."""
    if isinstance(place, Address) or not place.is_file():
        return ZarrPlace(place)
    with zipfile.ZipFile(place) as archive:
        tops = {name.split("/", 1)[0] for name in archive.namelist() if not name.startswith("__MACOSX")}
    is_inside = len(tops) == 1 and not tops & {"zarr.json", ".zgroup", ".zarray", ".zattrs"}
    return ZarrPlace(place, *tops) if is_inside else ZarrPlace(place)


def _remote(address: Address) -> Any:
    """Return a store on another machine.

    Raises
    ------
    VaesrError
        When what it takes is not installed, or the kind of address is not known.
    """
    scheme = address.text.partition("://")[0].lower()
    options: dict[str, Any] = {}
    try:
        if scheme in ("http", "https"):
            import aiohttp

            timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT)
            options = {"client_kwargs": {"timeout": timeout}}
        elif scheme == "s3":
            options = {} if _has_credentials() else {"anon": True}
        return RemoteStore.from_url(address.text, storage_options=options, read_only=True)
    except ImportError as error:
        raise VaesrError(f"To open {address}, please install what it takes: {EXTRA}.") from error
    except ValueError as error:
        raise VaesrError(
            f"{address} is no kind of address that is known, please use https://, s3:// or a path."
        ) from error


def _has_credentials() -> bool:
    """Whether this user is known to S3; others can read what is public."""
    from botocore.session import get_session

    return get_session().get_credentials() is not None


def unreachable(place: Place, error: BaseException) -> VaesrError | None:
    """Return the sentence for a server that cannot be reached or forbids; None for other errors."""
    if not isinstance(place, Address):
        return None
    kinds = {each.__name__ for each in type(error).__mro__}
    if kinds & {"ClientError", "TimeoutError", "EndpointConnectionError", "OSError", "BotoCoreError"}:
        if isinstance(error, FileNotFoundError):
            return None
        return TryAgain(f"{place} cannot be reached, please check the address and the network.")
    return None
