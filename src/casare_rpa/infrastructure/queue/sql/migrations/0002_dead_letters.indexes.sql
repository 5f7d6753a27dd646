CREATE INDEX idx_dead_letter_queue_latest ON dead_letter_queue (finished_at, id);
-- Letters from before there were shapes: the upkeep folds their errors, some at a time.
CREATE INDEX idx_dead_letter_queue_unshaped ON dead_letter_queue (id) WHERE error_shape IS NULL;
-- A tenant's own rows in the orders of the lists: a search for a tenant meets no other's.
CREATE INDEX idx_jobs_tenant ON jobs (tenant_id, id) WHERE tenant_id IS NOT NULL;
CREATE INDEX idx_job_history_tenant ON job_history (tenant_id, id) WHERE tenant_id IS NOT NULL;
CREATE INDEX idx_dead_letter_queue_tenant ON dead_letter_queue (tenant_id, id) WHERE tenant_id IS NOT NULL;
CREATE INDEX idx_dead_letter_queue_tenant_latest ON dead_letter_queue (tenant_id, finished_at, id) WHERE tenant_id IS NOT NULL;
