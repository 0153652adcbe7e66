"""Files that are made on this machine and sent to a store in one piece."""

from __future__ import annotations

from pathlib import Path

from cutmix_gen.storage.local import AtomicFile
from cutmix_gen.storage.objects import ObjectPath


class SentFile(AtomicFile):
    """A file that is made in a temporary folder, and sent to its place whole or never.

    Parameters
    ----------
    target : ObjectPath
    scratch : Path
        The temporary folder.
    """

    def __init__(self, target: ObjectPath, scratch: Path) -> None:
        super().__init__(scratch / target.name)
        self._target = target

    def commit(self) -> None:
        """Send the file."""
        self._target.send(self.temporary)
        self.discard()

    def commit_new(self) -> bool:
        """Send the file unless one is there; see `put_new`."""
        if self._target.exists():
            self.discard()
            return False
        self.commit()
        return True
