-- The market of one scope by day, of some of its groups. A day without a median counts no salary.
SELECT d.day, coalesce(sum(m.open), 0)::bigint AS open, coalesce(sum(m.stated), 0)::bigint AS stated,
       sum(m.stated * m.salary_net) / nullif(sum(CASE WHEN m.salary_net IS NOT NULL THEN m.stated END), 0) AS salary,
       count(m.day) AS groups
FROM (SELECT DISTINCT day FROM mart.${pipeline}_market WHERE scope = %(scope)s AND day > %(since)s::timestamp) d
LEFT JOIN mart.${pipeline}_market m
       ON m.day = d.day AND m.scope = %(scope)s
      AND (%(role)s::text IS NULL OR m.professional_role_id = %(role)s)
      AND (%(area)s::text IS NULL OR m.area_id = %(area)s)
GROUP BY d.day
ORDER BY d.day
