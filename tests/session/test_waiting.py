"""What a full disk did not take waits in memory, also for those who look for it there."""

from pathlib import Path

import pytest
from disk import full_disk

import renex_jupyter as rx
from renex_jupyter.errors import RenexError

SECRET = "hunter2-is-it"


def test_a_secret_that_had_to_wait_does_not_come_back_after_its_purge(project: Path) -> None:
    with rx.start_run("train") as run:
        with full_disk():
            with pytest.warns(UserWarning, match="they wait in memory"):
                rx.log_param("word", SECRET)
            with pytest.warns(UserWarning, match="they wait in memory"):
                rx.log_metric("said", SECRET)
            with pytest.raises(RenexError, match="disk_full"):
                rx.purge(secret=SECRET)
        assert rx.purge(secret=SECRET).points == 1
    assert rx.get_run(run.run_id).params == {"word": "[purged]"}
    assert list(rx.sql("select text_value from metrics")["text_value"]) == ["[purged]"]
