-- What do callers come for, and how often does it become a booking or an order?
WITH calls AS (
    SELECT *, row_number() OVER (PARTITION BY call_id ORDER BY reading DESC) AS place
    FROM sessions
    WHERE tenant_id = :tenant_id AND dt BETWEEN :since AND :until AND NOT test
)
SELECT
    core_intent,
    count(*) AS calls,
    count_if(outcome IN ('booking_made', 'order_placed')) AS converted,
    round(CAST(count_if(outcome IN ('booking_made', 'order_placed')) AS double) / count(*), 4) AS conversion,
    count_if(follow_up_required) AS to_follow_up
FROM calls
WHERE place = 1 AND analysis_status = 'done'
GROUP BY core_intent
ORDER BY calls DESC, core_intent
LIMIT 20
