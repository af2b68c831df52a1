-- Figures of the parts of what was judged: errors are means over series, as in training, coverage is of all values.
SELECT version, item, sum(values_judged)::bigint AS n, avg(error) AS $metric, avg(mae) AS mae$coverage
FROM (
    SELECT $version AS version, $item AS item, series_id, count(*) AS values_judged,
           $error AS error, avg(absolute) AS mae$inside
    FROM judged
    WHERE $chosen
    GROUP BY 1, 2, 3
) by_series
GROUP BY version, item
ORDER BY $order
