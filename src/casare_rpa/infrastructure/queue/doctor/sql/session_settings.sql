SELECT name, reset_val AS value FROM pg_settings
 WHERE name IN ('idle_session_timeout', 'statement_timeout', 'transaction_timeout', 'default_transaction_isolation')
