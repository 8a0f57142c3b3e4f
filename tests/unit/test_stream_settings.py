"""What a stream of nats-server must be set to, for a journal to be safe in it."""

from __future__ import annotations

import pytest

from hanzo_queues.server.journal.jetstream_settings import (
    ASSERTED,
    StreamSettingsDiffer,
    assert_stream_settings,
)


def test_a_mirror_is_refused_for_what_it_is() -> None:
    """It has no subjects of its own."""
    mirror = {**ASSERTED, "name": "HANZO_P0", "num_replicas": 1, "mirror": {"name": "OTHER"}}
    with pytest.raises(StreamSettingsDiffer, match="mirror is set"):
        assert_stream_settings(mirror, ["hanzo.p0.journal"], 1)


def test_what_a_later_server_added_is_no_difference() -> None:
    settings = {**ASSERTED, "num_replicas": 1, "subjects": ["a.block", "a.later"]}
    assert_stream_settings(settings, ["a.block"], 1, "a.")
    with pytest.raises(StreamSettingsDiffer, match="subjects"):
        assert_stream_settings(settings, ["a.block"], 1, "b.")
