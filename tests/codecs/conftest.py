from __future__ import annotations

import pytest

from cutmix_gen.codecs import CODECS, Codec, make_codec


@pytest.fixture(params=CODECS)
def codec(request: pytest.FixtureRequest) -> Codec:
    return make_codec(request.param)
