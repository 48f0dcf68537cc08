"""`python -m tests.benchmarks [NAME...]`: measures, prints one JSON line a figure."""

from __future__ import annotations

import sys
import tempfile
import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.benchmarks import (
    calibration,
    comparison,
    corpus,
    corpus_devices,
    endpoint_ratios,
    fill,
    flashes,
    handover,
    idle,
    ingest,
    latency,
    lava_lists,
    light,
    lists,
    logs,
    machine,
    migration,
    mixed,
    multinode,
    observability,
    overhead,
    overload,
    page_times,
    ready,
    recovery,
    request_costs,
    retention_drop,
    submit_rate,
)
from tests.benchmarks.figures import Figure, say

Measure = Callable[[Path], Iterator[Figure]]


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Figures that are measured together, by the names one can ask for."""

    names: tuple[str, ...]
    measure: Measure
    extra: bool = False


BENCHMARKS = (
    Benchmark(("submit_to_first_step_ms",), latency.measure),
    Benchmark(("idle_server_mib", "idle_cpu_percent"), idle.measure),
    Benchmark(("light_jobs_per_minute", "light_job_cpu_seconds"), light.measure_rate),
    Benchmark(("light_jobs_host_mib",), light.measure_memory),
    Benchmark(("host_memory_mib",), light.measure_host),
    Benchmark(("host_ready_seconds",), ready.measure),
    Benchmark(("handover_ms",), handover.measure),
    Benchmark(("multinode_ms",), multinode.measure),
    Benchmark(("log_lines_per_second",), logs.measure_rate),
    Benchmark(("log_lag_ms",), logs.measure_lag),
    Benchmark(("job_overhead.qemu",), overhead.measure_qemu),
    Benchmark(("job_overhead.uboot",), overhead.measure_uboot),
    Benchmark(("overload",), overload.measure),
    Benchmark(("fastboot_limit",), flashes.measure),
    Benchmark(("observability_cost",), observability.measure),
    Benchmark(("failover_seconds",), recovery.measure_failover),
    Benchmark(("step_recovery_seconds",), recovery.measure_step_recovery),
    Benchmark(("cancel_seconds",), recovery.measure_cancel),
    Benchmark(("fill_minutes",), fill.measure),
    Benchmark(("cache_hit_ms", "request_limit_ms"), request_costs.measure),
    Benchmark(("migration",), migration.measure),
    Benchmark(("ingest_cases_per_second", "ingest_ratio"), ingest.measure),
    Benchmark(("submit_per_second.xmlrpc", "submit_per_second.rest"), submit_rate.measure),
    Benchmark(("retention_drop_seconds", "retention_drop_p99_ratio"), retention_drop.measure),
    Benchmark(("jobs_list_ms", "jobs_list_queries", "jobs_list_buffers"), lists.measure),
    Benchmark(
        ("lava_jobs_list_ms", "lava_jobs_list_queries", "lava_jobs_list_buffers"),
        lava_lists.measure,
    ),
    Benchmark(
        ("jobs_page_ms", "job_page_ms", "overview_ms", "pages_ms"),
        page_times.measure,
    ),
    Benchmark(("reads_per_second",), mixed.measure_reads),
    Benchmark(
        ("mixed_reads_per_second", "mixed_submit_ms", "mixed_submit_ratio"), mixed.measure_mixed
    ),
    Benchmark(("endpoint_ratio", "calibration_ms"), endpoint_ratios.measure),
    Benchmark(
        ("corpus", "corpus_submit", "corpus_lax", "corpus_strict"),
        corpus.measure_verdicts,
        extra=True,
    ),
    Benchmark(("corpus", "corpus_devices"), corpus_devices.measure, extra=True),
    Benchmark(("corpus", "validate_files_per_second"), corpus.measure_speed, extra=True),
    Benchmark(("corpus", "corpus_jobs_complete"), corpus.measure, extra=True),
)


def main(wanted: Sequence[str]) -> int:
    """Run what is wanted (default: all but `corpus`); the exit code tells whether all ran."""
    chosen = [benchmark for benchmark in BENCHMARKS if _is_wanted(benchmark, wanted)]
    if not chosen:
        known = ", ".join(name for benchmark in BENCHMARKS for name in benchmark.names)
        say(f"no such figure; there are: {known}")
        return 2
    figures: list[Figure] = []
    failed = [benchmark for benchmark in chosen if not _run(benchmark, figures)]
    if figures:
        _keep(figures)
    for benchmark in failed:
        say(f"not measured: {', '.join(benchmark.names)}")
    return 1 if failed else 0


def _keep(figures: Sequence[Figure]) -> None:
    """Say how the figures went since they were last taken here, and keep them."""
    loop_ms = calibration.milliseconds()
    here = machine.describe()
    before = [one for one in machine.records() if machine.is_same(one["machine"], here)]
    for line in comparison.lines(figures, loop_ms, before):
        say(line)
    say(f"kept in {machine.keep(figures, loop_ms)}")


def _is_wanted(benchmark: Benchmark, wanted: Sequence[str]) -> bool:
    if not wanted:
        return not benchmark.extra or corpus.is_given()
    return any(
        name == want or want.startswith(f"{name}.") or name.startswith(f"{want}.")
        for name in benchmark.names
        for want in wanted
    )


def _run(benchmark: Benchmark, figures: list[Figure]) -> bool:
    """Measure in a folder of its own; one that fails does not keep the others from running."""
    say(f"measuring {', '.join(benchmark.names)}")
    with tempfile.TemporaryDirectory(prefix="labq-bench-", ignore_cleanup_errors=True) as folder:
        try:
            for figure in benchmark.measure(Path(folder)):
                figures.append(figure)
                print(figure.line(), flush=True)  # noqa: T201 - the product of this program
        except Exception:  # noqa: BLE001 - the outermost loop
            traceback.print_exc()
            return False
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
