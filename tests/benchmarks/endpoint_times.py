"""How long each of the frequent end points takes on the small data set, by pytest-benchmark.

`make bench` runs it (`endpoint_ratios`); the name keeps it out of `make test`.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pytest_benchmark.fixture import BenchmarkFixture

from tests.benchmarks.calibration import loop
from tests.benchmarks.endpoints import ASKED, Asked
from tests.lab.filled_lab import FilledLab, small_lab


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FilledLab]:
    with small_lab(tmp_path_factory.mktemp("small")) as lab:
        yield lab


def test_calibration(benchmark: BenchmarkFixture) -> None:
    benchmark.extra_info["asked"] = ""
    benchmark(loop)


@pytest.mark.parametrize("asked", ASKED, ids=lambda asked: asked.name.replace(" ", "-"))
def test_end_point(benchmark: BenchmarkFixture, small: FilledLab, asked: Asked) -> None:
    client, path = small.client(), asked.path.format(**small.names)
    headers = dict(small.headers(asked.who))
    benchmark.extra_info["asked"] = asked.name
    answer = benchmark(client.get, path, headers=headers)
    assert answer.status_code == 200, answer.text
