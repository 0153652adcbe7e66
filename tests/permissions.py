"""Permissions that hold for the tests too, whoever runs them."""

from __future__ import annotations

import ctypes
import os

READ_AND_WRITE_ANYTHING = (1, 2)
"""CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH of capability.h, which root has."""
PR_CAPBSET_DROP = 24


def obey_permissions():
    """Let folders be closed to root too."""
    if os.geteuid() == 0:
        prctl = ctypes.CDLL(None, use_errno=True).prctl
        for capability in READ_AND_WRITE_ANYTHING:
            if prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
                raise OSError(ctypes.get_errno(), "root cannot be kept from reading anything")
