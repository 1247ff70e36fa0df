-- What does a call cost in engine time?
-- A slot's hour has the price :slot_hour_usd. Without it, and for calls whose slot time is not known, the cost is not known either.
WITH calls AS (
    SELECT *, row_number() OVER (PARTITION BY call_id ORDER BY reading DESC) AS place
    FROM sessions
    WHERE tenant_id = :tenant_id AND dt BETWEEN :since AND :until AND NOT test
), priced AS (
    SELECT
        engine,
        duration_ms,
        CASE WHEN slot_ms > 0 THEN slot_ms / 3600000 * CAST(:slot_hour_usd AS double) END AS usd
    FROM calls
    WHERE place = 1
)
SELECT
    engine,
    count(*) AS calls,
    count(usd) AS priced_calls,
    round(avg(usd), 4) AS usd_per_call,
    round(sum(usd), 2) AS usd,
    round(sum(CASE WHEN usd IS NOT NULL THEN usd END) / nullif(sum(CASE WHEN usd IS NOT NULL THEN duration_ms END) / 60000, 0), 4)
        AS usd_per_minute
FROM priced
GROUP BY engine
ORDER BY engine
