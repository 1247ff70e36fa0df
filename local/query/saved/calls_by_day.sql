-- How many calls came each day, and how did they come out?
WITH calls AS (
    SELECT *, row_number() OVER (PARTITION BY call_id ORDER BY reading DESC) AS place
    FROM sessions
    WHERE tenant_id = :tenant_id AND dt BETWEEN :since AND :until AND NOT test
)
SELECT dt, outcome, count(*) AS calls, round(sum(duration_ms) / 60000, 1) AS minutes
FROM calls
WHERE place = 1
GROUP BY dt, outcome
ORDER BY dt, outcome
