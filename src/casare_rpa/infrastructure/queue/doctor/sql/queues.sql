-- For each queue: how many jobs wait (counted up to 1001), who could take them, whether it is paused.
SELECT q.queue_name AS queue, w.waiting, p.paused_at, p.paused_by::text AS paused_by,
       (SELECT count(*) FROM robots r WHERE r.queue_name = q.queue_name AND r.seen_at > clock_timestamp() - interval '40 seconds')::integer AS robots
  FROM (SELECT DISTINCT r.queue_name FROM routes r ORDER BY 1 LIMIT 1000) q
  LEFT JOIN paused_queues p ON p.queue_name = q.queue_name
 CROSS JOIN LATERAL (
       SELECT count(*)::integer AS waiting FROM (
           SELECT FROM (SELECT DISTINCT r.route_id FROM routes r WHERE r.queue_name = q.queue_name) r
            CROSS JOIN LATERAL (SELECT FROM jobs j WHERE j.route_id = r.route_id AND j.status = 'PENDING' AND NOT j.deferred LIMIT 1001) j
            LIMIT 1001) c) w
