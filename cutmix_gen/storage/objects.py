"""Object stores and other remote file systems, through `pyarrow.fs`."""

from __future__ import annotations

import logging
import os
import re
import time
from collections.abc import Callable, Iterator
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar
from urllib.parse import parse_qsl, unquote, urlencode

from cutmix_gen.errors import StorageError, UsageError

if TYPE_CHECKING:
    from pyarrow.fs import FileInfo, FileSystem

T = TypeVar("T")

_log = logging.getLogger(__name__)

ATTEMPTS = 6
"""How often a request is tried; the client library of a store may try a few times more each time."""
_FIRST_PAUSE = 0.5
"""Seconds before the second attempt; each pause is twice the one before, and up to half of it longer by chance."""

_URI = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<authority>[^/?#]*)(?P<path>[^?]*)(\?(?P<query>.*))?", re.DOTALL)
_CUT = re.compile(r"^[^@]*:(?!\d*$)[^@\]]*$")
"""An authority that has a colon before no port, and no @: the rest of a password went to the path."""
_USER = re.compile(r"[^/@]*@")
_HARMLESS = frozenset({"scheme", "endpoint_override", "region", "project_id", "retry_limit_seconds"})
"""What may be said of a query; whatever else stands in one may be a secret."""
_CONTAINER = ("abfs", "abfss")
"""Schemes in which what stands before the @ is a container and no user."""
_BUCKETS = ("s3", "gs", "gcs")
"""Schemes in which a bucket, which has no port, comes first."""
_SCHEMES = (*_BUCKETS, *_CONTAINER, "hdfs", "viewfs")
"""Schemes of the stores that `pyarrow.fs` knows itself."""
_TAKEN = "It takes s3://, gs://, hdfs://, abfs:// or fsspec+NAME:// with the package of that file system."
_PASSWORD = re.compile("/+[^@]*:[^@]*@")
"""How a path begins that has a user and a password."""
_DIRECT = ("s3", "gcs", "abfs")
"""Kinds of stores in which an object appears when it is complete, and folders need not be made."""
_FINAL = re.compile(
    r"ACCESS_DENIED|INVALID_ACCESS_KEY|INVALID_CLIENT_TOKEN|SIGNATURE_DOES_NOT_MATCH|NO_SUCH_BUCKET|"
    r"HTTP status (301|400|401|403|404)|PermissionDenied|Unauthenticated|AuthenticationFailed|AuthorizationFailure"
)
"""In the text of an error: trying again is of no use."""
_CHUNK = 8 << 20


class Status(NamedTuple):
    """What is known of an object without reading it; named as in `os.stat_result`."""

    st_size: int


class _Root:
    """The root of a store: how to open it, and how to speak of it."""

    def __init__(self, uri: str) -> None:
        found = _URI.fullmatch(uri)
        if not found:
            raise UsageError(
                f"A place in a store must be SCHEME://BUCKET/PATH, but it is '{uri.partition('://')[0]}://...'."
            )
        self.scheme, authority, query = found["scheme"], found["authority"], found["query"] or ""
        if self.scheme not in _SCHEMES and not self.scheme.startswith("fsspec+"):
            raise UsageError(f"{self.scheme}:// is the beginning of no store. {_TAKEN}")
        if not authority and (self.scheme in _BUCKETS or _PASSWORD.match(found["path"])):
            raise UsageError(
                f"{self.scheme}:// must be followed by a bucket, but there is none: {self.scheme}://BUCKET/PATH"
            )
        if _CUT.search(authority) or (self.scheme in _BUCKETS and ":" in authority and "@" not in authority):
            raise UsageError(
                f"The password in {self.scheme}://... has a character that ends it. Write / as %2F, ? as %3F, # as %23."
            )
        self._query = f"?{query}" if query else ""
        self._authority = authority
        settings = parse_qsl(query, keep_blank_values=True)
        said = [(key, _USER.sub("", value)) for key, value in settings if key in _HARMLESS]
        self.text = f"{self.scheme}://{_without_user(self.scheme, authority)}"
        self.query = f"?{urlencode(said, safe=':/')}" if said else ""
        self.path = found["path"]
        user = authority.rpartition("@")[0]
        hidden = {query, authority, user, *user.split(":"), *(value for key, value in settings if key not in _HARMLESS)}
        users = [match[:-1] for _, value in settings for match in _USER.findall(value)]
        hidden |= {part for text in users for part in (text, *text.split(":"))}
        both = hidden | {unquote(secret) for secret in hidden}
        self._secrets = sorted((each for each in both if each and each not in self.text + self.query), key=len)

    def uri(self, path: str) -> str:
        """Return the whole URI of a path, with its secrets: for the eyes of the store alone."""
        return f"{self.scheme}://{self._authority}{path}{self._query}"

    def hide(self, text: str) -> str:
        """Return a text without the secrets of this store."""
        for secret in reversed(self._secrets):  # the longest first
            text = text.replace(secret, "...")
        return text

    def open(self) -> tuple[FileSystem, str]:
        """Return the file system, and the path of the root in it.

        Raises
        ------
        UsageError
            If there is no way to such a store.
        """
        from pyarrow.fs import FileSystem  # noqa: PLC0415  slow to import, and not for local files

        query = self._query
        if self.scheme == "s3" and "allow_delayed_open" not in query:
            query += f"{'&' if query else '?'}allow_delayed_open=true"  # a small object in one request, not in three
        try:
            system, base = FileSystem.from_uri(f"{self.scheme}://{self._authority}/{query}")
        except Exception as error:
            raise UsageError(f"{self.text} cannot be opened: {self.hide(str(error))}. {_TAKEN}") from None
        return system, base.rstrip("/")


def _without_user(scheme: str, authority: str) -> str:
    user, at, host = authority.rpartition("@")
    return f"{user.partition(':')[0]}{at}{host}" if at and scheme in _CONTAINER else host


@cache
def _opened(root_uri: str) -> tuple[FileSystem, str]:
    return _Root(root_uri).open()


class ObjectPath:
    """A place in an object store or a remote file system, with the part of `pathlib.Path` that this program uses.

    As text it has no secrets: no user, no password, and of the query only what says where the store is.

    Parameters
    ----------
    uri : str
        `s3://BUCKET/PATH`, `gs://`, `hdfs://`, `abfs://`, or `fsspec+NAME://`. The path is taken literally.
    """

    def __init__(self, uri: str) -> None:
        self._root = _Root(uri)
        self._path = "/" + "/".join(part for part in self._root.path.split("/") if part)

    def __str__(self) -> str:
        return f"{self._root.text}{self._path.rstrip('/')}{self._root.query}"

    def __repr__(self) -> str:
        return f"ObjectPath({str(self)!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ObjectPath) and str(self) == str(other)

    def __hash__(self) -> int:
        return hash(str(self))

    def __lt__(self, other: ObjectPath) -> bool:
        return str(self) < str(other)

    def __reduce__(self) -> tuple[type[ObjectPath], tuple[str]]:
        return ObjectPath, (self._root.uri(self._path),)

    def __truediv__(self, part: str) -> ObjectPath:
        return ObjectPath(self._root.uri(f"{self._path}/{part}"))

    @property
    def name(self) -> str:
        """The last part of the path."""
        return PurePosixPath(self._path).name

    @property
    def stem(self) -> str:
        """The last part without its ending."""
        return PurePosixPath(self._path).stem

    @property
    def suffix(self) -> str:
        """The ending of the last part, with its dot."""
        return PurePosixPath(self._path).suffix

    @property
    def parent(self) -> ObjectPath:
        """The folder above."""
        return ObjectPath(self._root.uri(str(PurePosixPath(self._path).parent)))

    @property
    def parents(self) -> list[ObjectPath]:
        """All folders above, the nearest first."""
        return [ObjectPath(self._root.uri(str(folder))) for folder in PurePosixPath(self._path).parents]

    def relative_to(self, other: ObjectPath) -> PurePosixPath:
        """Return the path below another place."""
        return PurePosixPath(self._path).relative_to(other._path)

    def in_same_store(self, other: ObjectPath) -> ObjectPath | None:
        """Return another place, opened like this one; None where it is in another store or bucket, or says so."""
        mine, theirs = self._root, other._root
        is_same = (mine.text, mine.query) == (theirs.text, theirs.query)
        return ObjectPath(mine.uri(other._path)) if is_same else None

    def absolute(self) -> ObjectPath:
        """Return this place: there is no other way to name it."""
        return self

    def resolve(self) -> ObjectPath:
        """Return this place: there are no links."""
        return self

    def exists(self) -> bool:
        """Tell whether there is anything of this name."""
        return self._info() is not None

    def is_file(self) -> bool:
        """Tell whether there is an object of this name."""
        info = self._info()
        return info is not None and bool(info.is_file)

    def is_dir(self) -> bool:
        """Tell whether there is anything below this name."""
        info = self._info()
        return info is not None and not info.is_file

    def stat(self) -> Status:
        """Return the size of an object.

        Raises
        ------
        FileNotFoundError
            If there is none.
        """
        info = self._info()
        if info is None or not info.is_file:
            raise FileNotFoundError(f"There is no {self}.")
        return Status(info.size)

    def iterdir(self) -> Iterator[ObjectPath]:
        """Give what lies directly below."""
        for name, _, _ in self.listing():
            yield self / name

    def glob(self, pattern: str) -> Iterator[ObjectPath]:
        """Give what lies directly below and has a name of a pattern."""
        for name, _, _ in self.listing():
            if fnmatchcase(name, pattern):
                yield self / name

    def listing(self, *, deep: bool = False) -> Iterator[tuple[str, bool, int]]:
        """Give (path below this place, whether it is a file, size) of what lies below, in no order."""
        for name, info in self._infos(deep):
            yield name, bool(info.is_file), info.size or 0

    def stamps(self) -> Iterator[tuple[str, int, int]]:
        """Give (name, size, time of its writing in nanoseconds or 0) of each object directly below, in no order."""
        for name, info in self._infos(deep=False):
            if info.is_file:
                yield name, info.size or 0, info.mtime_ns or 0

    def _infos(self, deep: bool) -> Iterator[tuple[str, FileInfo]]:
        from pyarrow.fs import FileSelector  # noqa: PLC0415  see _Root.open

        system, place = self._place()
        selector = FileSelector(place, recursive=deep, allow_not_found=True)
        for info in self._patiently("list", lambda: system.get_file_info(selector)):
            name = info.path[len(place) :].strip("/") if info.path.startswith(place) else info.base_name
            if name:
                yield name, info

    def read_bytes(self, limit: int | None = None) -> bytes:
        """Return the content of an object, or the first `limit + 1` bytes of it where it has more.

        Raises
        ------
        FileNotFoundError
            If there is none.
        StorageError
            If the store cannot be read, however often it is tried.
        """

        def read() -> bytes:
            system, place = self._place()
            with system.open_input_file(place) as file:
                size = file.size() if limit is None else min(file.size(), limit + 1)
                data: bytes = file.read(size)
                return _whole(data, size)

        return self._patiently("read", read)

    def fetch(self, file: Path) -> None:
        """Write the content of an object to a local file. Raises as `read_bytes` does."""

        def read() -> None:
            system, place = self._place()
            with system.open_input_file(place) as source, file.open("wb") as sink:
                written = 0
                while data := source.read(_CHUNK):
                    written += sink.write(data)
                if written != source.size():
                    raise OSError(f"the connection ended after {written} of {source.size()} bytes")

        self._patiently("read", read)

    def send(self, file: Path) -> None:
        """Put the content of a local file here: whole or not at all.

        Raises
        ------
        StorageError
            If the store does not take it, however often it is tried.
        """
        size = file.stat().st_size

        def write() -> None:
            system, place = self._place()
            _put(system, file, place)
            info = system.get_file_info(place)
            if not info.is_file or info.size != size:
                raise OSError(f"{info.size} bytes are there of {size} that were sent")

        self._patiently("write", write)

    def unlink(self, *, missing_ok: bool = False) -> None:
        """Delete an object."""

        def delete() -> None:
            system, place = self._place()
            system.delete_file(place)

        try:
            self._patiently("delete", delete)
        except FileNotFoundError:
            if not missing_ok:
                raise

    def _place(self) -> tuple[FileSystem, str]:
        system, base = _opened(self._root.uri(""))
        return system, f"{base}{self._path}".rstrip("/")

    def _info(self) -> FileInfo | None:
        from pyarrow.fs import FileType  # noqa: PLC0415  see _Root.open

        system, place = self._place()
        info = self._patiently("look at", lambda: system.get_file_info(place))
        return None if info.type == FileType.NotFound else info

    def _patiently(self, verb: str, work: Callable[[], T]) -> T:
        """Do something that may fail for a moment: trouble of a server, throttling, a connection that drops."""
        for attempt in range(1, ATTEMPTS + 1):
            try:
                return work()
            except FileNotFoundError as error:
                raise FileNotFoundError(f"There is no {self}.") from error
            except UsageError:
                raise
            except Exception as error:
                reason = self._root.hide(str(error)) or type(error).__name__
                if attempt == ATTEMPTS or _is_final(error):
                    times = f" ({attempt} attempts)" if attempt > 1 else ""
                    raise StorageError(f"Could not {verb} {self}{times}: {reason}") from None
                _log.info("could not %s %s, trying again: %s", verb, self, reason)
                _pause(attempt)
        raise AssertionError("the last attempt returns or raises")


def _is_final(error: Exception) -> bool:
    if isinstance(error, PermissionError | NotADirectoryError | IsADirectoryError | ValueError | TypeError):
        return True
    return bool(_FINAL.search(str(error)))


def _pause(attempt: int) -> None:
    """Wait, each time longer; not to the same moment as all the other workers that were turned away together."""
    chance = int.from_bytes(os.urandom(2)) / 0xFFFF
    time.sleep(_FIRST_PAUSE * 2 ** (attempt - 1) * (1 + chance / 2))


def _whole(data: bytes, size: int) -> bytes:
    if len(data) != size:
        raise OSError(f"the connection ended after {len(data)} of {size} bytes")
    return data


def _put(system: FileSystem, file: Path, place: str) -> None:
    """Send a local file in one call; it appears under its name when all of it has arrived."""
    import pyarrow as pa  # noqa: PLC0415  see _Root.open

    kind = system.type_name
    if kind.startswith("py::"):
        _put_fsspec(system.handler.fs, file, place)
        return
    target = place
    if kind not in _DIRECT:
        folder, _, name = place.rpartition("/")
        system.create_dir(folder, recursive=True)
        target = f"{folder}/.{name}.{os.getpid()}.cutmix-gen.tmp"
    with pa.memory_map(os.fsencode(file)) if file.stat().st_size else pa.BufferReader(b"") as content:
        sink = system.open_output_stream(target)
        sink.write(content.read_buffer())
        sink.close()  # not by `with`: that would complete the object after an error too
    if target != place:
        system.move(target, place)


def _put_fsspec(system: Any, file: Path, place: str) -> None:
    system.makedirs(place.rpartition("/")[0], exist_ok=True)
    system.put_file(str(file), place)
