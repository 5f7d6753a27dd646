SELECT age(d.datfrozenxid) AS transactions, mxid_age(d.datminmxid) AS multixacts FROM pg_database d WHERE d.datname = current_database()
