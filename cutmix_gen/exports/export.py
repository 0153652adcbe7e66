"""Writing a set's samples in another form, for programs that read neither Parquet nor tar files."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from cutmix_gen.dataset.layout import ShardName
from cutmix_gen.dataset.ledger import Ledger
from cutmix_gen.dataset.manifest import Manifest
from cutmix_gen.errors import SetError, UsageError
from cutmix_gen.execute import TaskProgress, run_counted
from cutmix_gen.exports import make_export
from cutmix_gen.generation.placement import check_apart
from cutmix_gen.shards import checked, shard_format
from cutmix_gen.storage import Place, is_empty, local_copy, new_folder, sha256, writing


def export_set(
    output: Place, folder: Place, form: str, jobs: int | None = None, progress: TaskProgress | None = None
) -> int:
    """Write the committed samples of a set to a new folder, which appears whole or not at all.

    An empty folder that is there is filled when all is made.

    Parameters
    ----------
    output : Place
        The folder of the set.
    folder : Place
        On this machine.
    form : str
        One of `EXPORTS`.
    jobs : int, optional
        Processes to work with; by default the usable cores.
    progress : TaskProgress, optional
        Told of the shards.

    Returns
    -------
    int
        Samples.

    Raises
    ------
    SetError
        If there is no finished set, or a shard of it is damaged, or there is something where the new folder should be.
    UsageError
        If the form needs a library that is not installed, or the folder is in a store, in a set or among the images.
    OutputError
        If another process is filling the folder, or it cannot be written.
    """
    if not isinstance(folder, Path):
        raise UsageError(
            f"FOLDER must be on this machine, but it is {folder}. Write to a folder here, and copy it with the "
            "store's own tool, e.g. aws s3 sync FOLDER s3://BUCKET/PATH."
        )
    manifest = Manifest(output)
    info = manifest.read_set()
    export = make_export(form)
    check_apart(manifest, folder, "FOLDER")
    _check_empty(folder)
    shards = Ledger(manifest).finished_shards("exported")
    with new_folder(folder) as made:
        _check_empty(folder)  # another process may have filled it while this one waited for its turn
        samples = sum(run_counted(partial(_export_shard, output, folder, made, form), shards, jobs, progress))
        with writing(folder):
            export.finish(made, info.schema)
    return samples


def _check_empty(folder: Path) -> None:
    if not is_empty(folder):
        found = "holds files" if folder.is_dir() else "is no folder"
        raise SetError(f"FOLDER must be new or empty, but {folder} {found}. Give another folder.")


def _export_shard(output: Place, folder: Path, made: Path, form: str, shard: int) -> int:
    """Write a shard to what becomes the folder."""
    manifest = Manifest(output)
    info, record = manifest.read_set(), manifest.read_record(shard)
    split = manifest.read_run(record.run).config["split"]
    with local_copy(output / record.file) as path:
        if sha256(path) != record.sha256:
            raise SetError(f"{record.file} of {output} was changed or damaged. `cutmix-gen verify` says more.")
        parts = shard_format(info.shard_format).read(path, info.schema)
        rows = (checked(part, info.schema, record.file) for part in parts)
        with writing(folder):
            return make_export(form).write(made, ShardName(split, shard), rows, info.schema)
