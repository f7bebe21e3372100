"""The Hugging Face hub as a place for models: an artefact is one commit, so that it appears whole or not at all."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from braincodec.artefact import CHECKSUMS, sha256_of
from braincodec.errors import BraincodecError, InputValueError, OutputError, UnreachableError
from braincodec.extras import import_optional
from braincodec.progress import Advance
from braincodec.transfer.destination import Destination, Package

OTHER_KINDS = ("datasets", "spaces", "buckets")
HOW_TO_LOG_IN = "log in with 'hf auth login', or set the environment variable HF_TOKEN to a token that may write"


class HubDestination(Destination):
    """A model repository, or a folder in one.

    Parameters
    ----------
    address : str
        ``hf://user/name[@revision][/folder]``.
    token, endpoint : str, optional
        Default: what huggingface_hub finds (``HF_TOKEN``, ``HF_ENDPOINT``, the login of this machine).
    """

    def __init__(self, address: str, *, token: str | None = None, endpoint: str | None = None) -> None:
        hub: Any = import_optional("huggingface_hub", "pushing to hf:// addresses")
        self.address = address.rstrip("/")
        self.repository, self.revision, self.folder = parts_of(address)
        self._token = token or hub.get_token()
        self._api = hub.HfApi(endpoint=endpoint, token=token)

    def prepare(self, private: bool | None) -> None:
        """See `Destination.prepare`."""
        if not self._token:
            raise UnreachableError(f"no credentials for {self.address}: {HOW_TO_LOG_IN}")
        with self._reaching("write to"):
            self._api.create_repo(self.repository, private=private, exist_ok=True)

    def checksums(self, package: Package) -> dict[str, str] | None:
        """See `Destination.checksums`."""
        known = self._known(package, [CHECKSUMS])
        if CHECKSUMS not in known:
            return None
        # which other model lies there does not matter
        return dict(package.sums) if self._equal(known[CHECKSUMS], package.folder / CHECKSUMS) else {}

    def whole(self, package: Package) -> set[str]:
        """See `Destination.whole`."""
        known = self._known(package, list(package.sums))
        return {name for name, info in known.items() if self._equal(info, package.folder / name)}

    def put(self, package: Package, names: list[str], message: str, advance: Advance) -> None:
        """See `Destination.put`; large files that a killed push has uploaded are not sent again."""
        from huggingface_hub import CommitOperationAdd

        operations = [
            CommitOperationAdd(path_in_repo=self._name(package, name), path_or_fileobj=str(package.folder / name))
            for name in (*names, CHECKSUMS)
        ]
        with self._reaching("write to"):
            self._api.create_commit(
                self.repository, operations, commit_message=message, revision=self.revision, repo_type="model"
            )
        advance(sum(package.size(name) for name in names))
        left = set(package.sums) - self.whole(package)
        if left:
            raise OutputError(f"pushing to {self.address} left {', '.join(sorted(left))} out or other than it is here")

    def _name(self, package: Package, file: str) -> str:
        return "/".join(part for part in (self.folder, package.place, file) if part)

    def _known(self, package: Package, files: list[str]) -> dict[str, Any]:
        """What the hub says of those of the files that are there."""
        from huggingface_hub.errors import RepositoryNotFoundError

        names = {self._name(package, file): file for file in files}
        with self._reaching("read"):
            try:
                found = self._api.get_paths_info(self.repository, list(names), revision=self.revision)
            except RepositoryNotFoundError:
                return {}
        return {names[info.path]: info for info in found if hasattr(info, "blob_id")}

    @staticmethod
    def _equal(info: Any, path: Path) -> bool:
        """By the SHA-256 of a large file, else by git's name for the content."""
        if info.size != path.stat().st_size:
            return False
        if info.lfs is not None:
            return bool(info.lfs.sha256 == sha256_of(path))
        content = path.read_bytes()
        name = hashlib.sha1(f"blob {len(content)}\0".encode() + content, usedforsecurity=False)
        return bool(info.blob_id == name.hexdigest())

    @contextlib.contextmanager
    def _reaching(self, verb: str) -> Iterator[None]:
        from huggingface_hub.errors import HfHubHTTPError

        try:
            yield
        except BraincodecError:
            raise
        except HfHubHTTPError as error:
            status = getattr(error.response, "status_code", None)
            hint = f"; {HOW_TO_LOG_IN}" if status in (401, 403) else ""
            raise UnreachableError(f"cannot {verb} {self.address}: {_first_line(error)}{hint}") from error
        except Exception as error:  # the hub's client lets those of several libraries through
            raise UnreachableError(f"cannot {verb} {self.address}: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)


def parts_of(address: str) -> tuple[str, str, str]:
    """Repository, revision and folder of an ``hf://`` address.

    Raises
    ------
    InputValueError
        When it names no model repository.

    Examples
    --------
    >>> parts_of("hf://lab/v4-models"), parts_of("hf://lab/v4-models@draft/monkey-a")
    (('lab/v4-models', 'main', ''), ('lab/v4-models', 'draft', 'monkey-a'))
    """
    parts = address.removeprefix("hf://").strip("/").split("/")
    parts = parts[1:] if parts[0] == "models" else parts
    if len(parts) < 2 or not all(parts) or parts[0] in OTHER_KINDS:
        raise InputValueError(f"{address} is no model repository; write hf://user/name, or hf://user/name/folder")
    name, _, revision = parts[1].partition("@")
    return f"{parts[0]}/{name}", revision or "main", "/".join(parts[2:])
