-- Enqueues from SQL alone, so from any language and driver: psql "$PGQUEUER_DATABASE_URL" -f examples/plain_sql.sql
-- The schema must be there (casare migrate).

BEGIN;
CREATE TEMPORARY TABLE orders (number integer PRIMARY KEY, job_id uuid) ON COMMIT DROP;

-- The row and its job come together, or not at all.
INSERT INTO orders
SELECT 7, pgqueuer.enqueue_job('ship', '{"order": 7}', p_queue => 'shipping', p_priority => 10, p_reference => 'order-7');
COMMIT;

-- For tomorrow, three attempts at most, for robots with Excel.
SELECT pgqueuer.enqueue_job('report', p_queue => 'shipping', p_run_at => now() + interval '1 day',
                            p_options => '{"max_retries": 3, "requirements": {"capabilities": ["excel"]}}');

-- What became of them.
SELECT id, status, workflow, reference, run_at FROM pgqueuer.list_jobs(p_queue => 'shipping');
SELECT pgqueuer.queue_depth('shipping');
