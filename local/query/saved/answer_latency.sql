-- How long do callers wait for the answer?
-- Each call counts once, with its own 95th percentile; of these, the nearest-rank median and 95th percentile, exactly.
WITH calls AS (
    SELECT *, row_number() OVER (PARTITION BY call_id ORDER BY reading DESC) AS place
    FROM sessions
    WHERE tenant_id = :tenant_id AND dt BETWEEN :since AND :until AND NOT test
), ranked AS (
    SELECT
        engine,
        response_p95_ms AS wait_ms,
        row_number() OVER (PARTITION BY engine ORDER BY response_p95_ms) AS standing,
        count(*) OVER (PARTITION BY engine) AS measured
    FROM calls
    WHERE place = 1 AND response_p95_ms IS NOT NULL
)
SELECT
    engine,
    count(*) AS calls,
    min(CASE WHEN standing >= 0.5 * measured THEN wait_ms END) AS median_ms,
    min(CASE WHEN standing >= 0.95 * measured THEN wait_ms END) AS p95_ms,
    max(wait_ms) AS worst_ms
FROM ranked
GROUP BY engine
ORDER BY engine
