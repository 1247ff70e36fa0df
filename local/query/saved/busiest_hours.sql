-- At which hour of the day, on the tenant's own clock, do most calls come?
-- zone is a name of the IANA time zone database; summer time is reckoned with.
WITH calls AS (
    SELECT *, row_number() OVER (PARTITION BY call_id ORDER BY reading DESC) AS place
    FROM sessions
    WHERE tenant_id = :tenant_id AND dt BETWEEN :since AND :until AND NOT test
)
SELECT
    hour(connected_at AT TIME ZONE 'UTC' AT TIME ZONE :zone) AS local_hour,
    count(*) AS calls,
    count(DISTINCT dt) AS days,
    round(avg(duration_ms) / 1000, 1) AS mean_s
FROM calls
WHERE place = 1
GROUP BY hour(connected_at AT TIME ZONE 'UTC' AT TIME ZONE :zone)
ORDER BY calls DESC, local_hour
