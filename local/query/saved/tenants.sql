-- Operator: how much does each tenant talk, and how well does it go?
WITH calls AS (
    SELECT *, row_number() OVER (PARTITION BY tenant_id, call_id ORDER BY reading DESC) AS place
    FROM sessions_all
    WHERE dt BETWEEN :since AND :until AND NOT test
)
SELECT
    tenant_id,
    count(*) AS calls,
    round(sum(duration_ms) / 60000, 1) AS minutes,
    round(sum(slot_ms) / 3600000, 3) AS slot_hours,
    count_if(status <> 'completed') AS dropped,
    max(ended_at) AS last_ended
FROM calls
WHERE place = 1
GROUP BY tenant_id
ORDER BY calls DESC, tenant_id
