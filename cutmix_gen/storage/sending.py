"""Files that are made on this machine and sent to a store in one piece."""

from __future__ import annotations

from cutmix_gen.storage.local import AtomicFile
from cutmix_gen.storage.objects import ObjectPath
from cutmix_gen.storage.scratch import scratch


class SentFile(AtomicFile):
    """A file that is made in the temporary folder, and sent to its place whole or never.

    Parameters
    ----------
    target : ObjectPath
    """

    def __init__(self, target: ObjectPath) -> None:
        super().__init__(scratch() / "sent")
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
