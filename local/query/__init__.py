"""Questions about finished calls, in Athena's SQL: answered from the Parquet files of this machine, or by Athena."""
