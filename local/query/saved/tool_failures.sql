-- How often do tools fail, and do those calls still come to a good end?
WITH calls AS (
    SELECT *, row_number() OVER (PARTITION BY call_id ORDER BY reading DESC) AS place
    FROM sessions
    WHERE tenant_id = :tenant_id AND dt BETWEEN :since AND :until AND NOT test
)
SELECT
    dt,
    CAST(sum(tool_calls) AS bigint) AS tool_calls,
    CAST(sum(tool_failures) AS bigint) AS failed,
    round(CAST(sum(tool_failures) AS double) / nullif(sum(tool_calls), 0), 4) AS failure_rate,
    count_if(tool_failures > 0) AS calls_touched,
    count_if(tool_failures > 0 AND status = 'completed') AS completed_all_the_same
FROM calls
WHERE place = 1
GROUP BY dt
ORDER BY dt
