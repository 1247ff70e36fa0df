-- Which calls did not end well, why, and whose fault was it?
-- share: of all calls of that day, the good ones too.
WITH calls AS (
    SELECT *, row_number() OVER (PARTITION BY call_id ORDER BY reading DESC) AS place
    FROM sessions
    WHERE tenant_id = :tenant_id AND dt BETWEEN :since AND :until AND NOT test
), days AS (
    SELECT dt, count(*) AS calls
    FROM calls
    WHERE place = 1
    GROUP BY dt
)
SELECT
    calls.dt,
    status,
    end_reason,
    error_stage,
    error_code,
    count(*) AS dropped,
    round(CAST(count(*) AS double) / max(days.calls), 4) AS share
FROM calls
JOIN days ON days.dt = calls.dt
WHERE place = 1 AND status <> 'completed'
GROUP BY calls.dt, status, end_reason, error_stage, error_code
ORDER BY calls.dt, dropped DESC, end_reason, error_stage, error_code
