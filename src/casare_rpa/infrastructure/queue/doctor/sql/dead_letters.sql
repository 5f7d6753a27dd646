SELECT d.reason, count(*) AS count FROM (SELECT l.reason FROM dead_letter_queue l LIMIT 100000) d GROUP BY 1 ORDER BY 2 DESC
