"""Statements that add and delete results by the thousand; `labq.services.results` says what they mean."""

from __future__ import annotations

from sqlalchemy import text

# Suites count what is added and deleted in the statement that does it.
_COUNTED = """
counted AS (
  SELECT suite_id, submitted_on, count(*) FILTER (WHERE verdict = 'pass') AS passed,
         count(*) FILTER (WHERE verdict = 'fail') AS failed,
         count(*) FILTER (WHERE verdict = 'skip') AS skipped,
         count(*) FILTER (WHERE verdict = 'unknown') AS unknown
    FROM changed GROUP BY suite_id, submitted_on
)
UPDATE test_suite AS suite
   SET passed = suite.passed {sign} counted.passed, failed = suite.failed {sign} counted.failed,
       skipped = suite.skipped {sign} counted.skipped,
       unknown = suite.unknown {sign} counted.unknown
  FROM counted WHERE suite.id = counted.suite_id AND suite.submitted_on = counted.submitted_on
   AND suite.submitted_on = ANY (CAST(:days AS date[]))
"""
_INSERT = """
WITH changed AS (
  INSERT INTO test_case (
    suite_id, "offset", logged_at, submitted_on, epoch, line, start_line, end_line, step, verdict,
    channel, name, units, measurement, test_set, details
  )
  SELECT suite_id, "offset", to_timestamp(seconds), submitted_on, epoch, line, start_line, end_line,
         step, verdict, channel, name, units, measurement, test_set, coalesce(details, '{{}}')
    FROM (
      SELECT unnest(CAST(:suites AS bigint[])) AS suite_id,
             unnest(CAST(:offsets AS bigint[])) AS "offset",
             unnest(CAST(:seconds AS double precision[])) AS seconds,
             unnest(CAST(:submitted AS date[])) AS submitted_on,
             unnest(CAST(:epochs AS integer[])) AS epoch,
             unnest(CAST(:lines AS integer[])) AS line,
             unnest(CAST(:start_lines AS integer[])) AS start_line,
             unnest(CAST(:end_lines AS integer[])) AS end_line,
             unnest(CAST(:steps AS smallint[])) AS step,
             unnest(CAST(:verdicts AS text[])) AS verdict,
             unnest(CAST(:channels AS text[])) AS channel,
             unnest(CAST(:names AS text[])) AS name,
             unnest(CAST(:units AS text[])) AS units,
             unnest(CAST(:measurements AS numeric[])) AS measurement,
             unnest(CAST(:sets AS text[])) AS test_set,
             unnest(CAST(:details AS jsonb[])) AS details
    ) AS reported
  ON CONFLICT (suite_id, "offset", step, channel, name, epoch, submitted_on) DO NOTHING
  RETURNING suite_id, submitted_on, verdict
), {counted}
"""
_GONE = """
WITH changed AS (
  DELETE FROM test_case AS one USING test_suite AS suite
   WHERE suite.job_id = :job AND suite.run_id = :run AND one.step >= :step
     AND suite.submitted_on = ANY (CAST(:days AS date[]))
     AND one.suite_id = suite.id AND one.submitted_on = ANY (CAST(:days AS date[]))
  RETURNING one.suite_id, one.submitted_on, one.verdict
), {counted}
"""
# The days stand as an array, too, so that no other partitions are looked at.
_OF_RUNS = """
  FROM test_suite AS suite
  JOIN unnest(CAST(:jobs AS bigint[]), CAST(:days AS date[]), CAST(:runs AS bigint[]))
    AS gone(job, day, run)
    ON gone.job = suite.job_id AND gone.day = suite.submitted_on AND gone.run = suite.run_id
 WHERE suite.submitted_on = ANY (CAST(:days AS date[]))
"""
_OF_JOBS = """
  FROM test_suite AS suite
  JOIN unnest(CAST(:jobs AS bigint[]), CAST(:days AS date[])) AS gone(job, day)
    ON gone.job = suite.job_id AND gone.day = suite.submitted_on
 WHERE suite.submitted_on = ANY (CAST(:days AS date[]))
"""
_CASES = """
WITH found AS (SELECT suite.id, suite.submitted_on {found}), gone AS (
  DELETE FROM test_case AS one USING found
   WHERE one.suite_id = found.id AND one.submitted_on = found.submitted_on
     AND one.submitted_on = ANY (CAST(:days AS date[]))
  RETURNING 1
) SELECT count(*) FROM gone
"""
_SUITES = """
WITH found AS (SELECT suite.id, suite.submitted_on {found})
DELETE FROM test_suite AS one USING found
 WHERE one.id = found.id AND one.submitted_on = found.submitted_on
   AND one.submitted_on = ANY (CAST(:days AS date[]))
"""
INSERT_CASES = text(_INSERT.format(counted=_COUNTED.format(sign="+")))
SUPERSEDE = text(_GONE.format(counted=_COUNTED.format(sign="-")))
FORGET_CASES, FORGET_SUITES = (text(one.format(found=_OF_RUNS)) for one in (_CASES, _SUITES))
DELETE_CASES, DELETE_SUITES = (text(one.format(found=_OF_JOBS)) for one in (_CASES, _SUITES))
