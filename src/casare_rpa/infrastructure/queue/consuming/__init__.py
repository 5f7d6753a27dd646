"""A robot's side: claims jobs, keeps their leases, runs handlers, settles; `PgQueuerConsumer` is all of it together."""
