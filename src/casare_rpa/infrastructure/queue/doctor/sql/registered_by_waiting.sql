SELECT wait_for_jobs($1), stop_waiting_for_jobs($1)
