"""AWS: every port over one table of DynamoDB and one bucket of S3. The only home of AWS's library."""

from nexus.adapters.aws.archive import S3SessionArchive
from nexus.adapters.aws.connection import AwsPlace
from nexus.adapters.aws.kms_seal import KmsSeal
from nexus.adapters.aws.stores import AwsStores, aws_stores

__all__ = ["AwsPlace", "AwsStores", "KmsSeal", "S3SessionArchive", "aws_stores"]
