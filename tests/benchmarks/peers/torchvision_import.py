"""torchvision, imported beside a build of torch for which its compiled part was not made too."""

from __future__ import annotations

import sys
from types import ModuleType

import torch


def import_torchvision() -> ModuleType:
    """Import torchvision, beside a build of torch for which its compiled part was not made too.

    Transforms need none of that part; they only name two of its operators on import.
    """
    try:
        import torchvision  # noqa: PLC0415  tried once more below
    except RuntimeError:
        for name in [name for name in sys.modules if name.partition(".")[0] == "torchvision"]:
            del sys.modules[name]
        import_torchvision.library = torch.library.Library("torchvision", "DEF")  # type: ignore[attr-defined]
        for name in ("nms", "qnms"):
            signature = f"{name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor"
            import_torchvision.library.define(signature)  # type: ignore[attr-defined]
        import torchvision  # noqa: PLC0415  with the operators there
    return torchvision
