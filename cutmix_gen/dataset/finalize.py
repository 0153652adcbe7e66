"""Closing a set: its card, its metadata and its sidecars."""

from __future__ import annotations

import logging

from cutmix_gen.dataset.card import told_of, write_card
from cutmix_gen.dataset.ledger import Ledger
from cutmix_gen.dataset.manifest import Manifest
from cutmix_gen.dataset.sidecars import has_sidecars, write_sidecars
from cutmix_gen.storage import Place

_log = logging.getLogger(__name__)


def finalize(output: Place, *, license_name: str = "", sidecars: bool = False) -> list[int]:
    """Close a set: write its card and metadata if every shard of every run is there.

    Parameters
    ----------
    output : Place
    license_name : str
        Of the images, for the card; by default what was given before.
    sidecars : bool
        Write a list of the shards and index files for DALI too; once written they are kept up to date.

    Returns
    -------
    list of int
        The numbers of the shards that are missing; the card is written only if there are none.

    Raises
    ------
    SetError
        If there is no set.
    """
    manifest = Manifest(output)
    manifest.read_set()
    manifest.check_folders()
    if license_name:
        manifest.write_license(license_name)
    ledger = Ledger(manifest)
    ledger.compact()
    records = told_of(ledger.valid())
    there = {record.shard for record in records}
    missing = [shard for shard in manifest.planned_shards() if shard not in there]
    if not missing:
        manifest.remove_leftovers()
        _log.info("Writing the card.")
        write_card(manifest, records)
        if sidecars or has_sidecars(manifest):
            write_sidecars(manifest)
    return missing
