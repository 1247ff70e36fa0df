"""The tables that Athena knows: one for a tenant's rows, one for everybody's."""

from __future__ import annotations

from aws_cdk import Aws
from aws_cdk import aws_glue as glue
from constructs import Construct

from infra.analytics.lake import COLUMNS, PARTITION_KEYS, SESSIONS_PREFIX

TENANT_TABLE = "sessions"
OPERATOR_TABLE = "sessions_all"
FIRST_DAY = "2026-01-01"
_PARQUET = "org.apache.hadoop.hive.ql.io.parquet"


class Catalogue(Construct):
    """A database with both tables.

    ``sessions`` is found by tenant and day: Athena computes where to look, and refuses a query that names no tenant. ``sessions_all``
    has no partitions: it is complete for whatever tenants there are, without a list of them that somebody must keep.

    **Source:** Athena User Guide, "Supported types for partition projection", "Use dynamic ID partitioning".
    """

    def __init__(self, scope: Construct, construct_id: str, *, database: str, bucket_name: str) -> None:
        super().__init__(scope, construct_id)
        self.database = database
        made = glue.CfnDatabase(
            self,
            "Database",
            catalog_id=Aws.ACCOUNT_ID,
            database_input={"name": database, "description": "Finished calls of the Nexus Voice Engine, one row each"},
        )
        self._location = f"s3://{bucket_name}/{SESSIONS_PREFIX}"
        self.tenants = self._table(TENANT_TABLE, "Finished calls of one tenant: say WHERE tenant_id = '...'", PARTITION_KEYS)
        self.operators = self._table(OPERATOR_TABLE, "Finished calls of all tenants", ())
        for table in (self.tenants, self.operators):
            table.node.add_dependency(made)

    def _table(self, name: str, description: str, partition_keys: tuple[tuple[str, str], ...]) -> glue.CfnTable:
        return glue.CfnTable(
            self,
            name.title().replace("_", ""),
            catalog_id=Aws.ACCOUNT_ID,
            database_name=self.database,
            table_input={
                "name": name,
                "description": description,
                "tableType": "EXTERNAL_TABLE",
                "parameters": {"classification": "parquet", "EXTERNAL": "TRUE", **(self._projection() if partition_keys else {})},
                "partitionKeys": _columns(partition_keys),
                "storageDescriptor": {
                    "columns": _columns(tuple(one for one in COLUMNS if one not in partition_keys)),
                    "location": self._location,
                    "inputFormat": f"{_PARQUET}.MapredParquetInputFormat",
                    "outputFormat": f"{_PARQUET}.MapredParquetOutputFormat",
                    "serdeInfo": {"serializationLibrary": f"{_PARQUET}.serde.ParquetHiveSerDe"},
                },
            },
        )

    def _projection(self) -> dict[str, str]:
        return {
            "projection.enabled": "true",
            "projection.tenant_id.type": "injected",
            "projection.dt.type": "date",
            "projection.dt.format": "yyyy-MM-dd",
            "projection.dt.range": f"{FIRST_DAY},NOW",
            "storage.location.template": self._location + "".join(f"{name}=${{{name}}}/" for name, _ in PARTITION_KEYS),
        }


def _columns(columns: tuple[tuple[str, str], ...]) -> list[dict[str, str]]:
    return [{"name": name, "type": kind} for name, kind in columns]
