-- What share of the calls did the agent finish by itself?
-- Finished by itself: the call completed, its outcome is a good one, and nobody has to follow up. Calls that were not read are left out.
WITH calls AS (
    SELECT *, row_number() OVER (PARTITION BY call_id ORDER BY reading DESC) AS place
    FROM sessions
    WHERE tenant_id = :tenant_id AND dt BETWEEN :since AND :until AND NOT test
), judged AS (
    SELECT
        dt,
        status = 'completed'
            AND outcome IN ('booking_made', 'order_placed', 'request_completed', 'information_given')
            AND NOT follow_up_required AS contained
    FROM calls
    WHERE place = 1 AND analysis_status = 'done'
)
SELECT
    dt,
    count(*) AS calls,
    count_if(contained) AS contained,
    round(CAST(count_if(contained) AS double) / count(*), 4) AS containment
FROM judged
GROUP BY dt
ORDER BY dt
