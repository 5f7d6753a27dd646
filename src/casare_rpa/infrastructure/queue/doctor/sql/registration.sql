SELECT l.tenant_id AS tenant, l.queues FROM logins l WHERE l.login = session_user
