"""The page on large data sets is computed from what was measured."""

import pytest
import scale_model
import scale_page


def test_the_page_is_that_of_the_files():
    assert scale_page.PAGE.read_text() == scale_page.page(scale_page.read())


def test_workers_share_the_cores_of_a_machine():
    of = {"image": 0.1, "shard": 0.5, "start": 4.0, "ray_start": 10.0, "busy": 2.0}

    def seconds(shards, workers):
        run = {"shards": shards, "images": 10 * shards, "workers": workers}
        return scale_model.predicted(run, of, cores=4)

    assert seconds(4, 1) == pytest.approx(10 + 4 * 1.5)
    assert seconds(4, 2) == pytest.approx(10 + 2 * 1.5)
    assert seconds(5, 2) == pytest.approx(10 + 3 * 1.5)  # the last one alone
    assert seconds(8, 8) == pytest.approx(10 + 4 + 1.5 * 4)  # twice as many as there are cores
