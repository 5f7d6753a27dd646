-- What the robots found: the results of those of these jobs ($1) that completed and carry this tag ($2).
SELECT result, claimed_by AS verified_by, attempt AS attempts
  FROM job_history WHERE id = ANY ($1) AND status = 'COMPLETED' AND $2 = ANY (tags)
