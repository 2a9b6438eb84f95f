"""ARNs of what a deployment has in one account and region of AWS."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from vault.declare.schema.aws import AwsAccount

#: Prefix of a region's name → the partition of its ARNs, for those that are not in ``aws``.
_PARTITIONS: Final = {"cn-": "aws-cn", "us-gov-": "aws-us-gov"}
#: What stands for the six characters that AWS appends to a secret's name, new ones after each
#: creation, so that no policy can have them.
ANY_SUFFIX: Final = "??????"


@dataclass(frozen=True, slots=True)
class Account:
    """An account and region, from which the ARN of each object follows."""

    id: str
    region: str

    @classmethod
    def of(cls, declared: AwsAccount) -> Account:
        """Return the declared account."""
        return cls(declared.account, declared.region)

    @property
    def partition(self) -> str:
        """Return the partition of the region, such as ``aws``."""
        return next(
            (name for prefix, name in _PARTITIONS.items() if self.region.startswith(prefix)), "aws"
        )

    @property
    def any_key(self) -> str:
        """Return the pattern of the ARN of any KMS key, because AWS chooses a key's id."""
        return f"arn:{self.partition}:kms:{self.region}:{self.id}:key/*"

    @property
    def secrets_manager(self) -> str:
        """Return the name of Secrets Manager in the condition of a request that it sends to KMS."""
        suffix = ".cn" if self.partition == "aws-cn" else ""
        return f"secretsmanager.{self.region}.amazonaws.com{suffix}"

    def service(self, name: str) -> str:
        """Return the principal of a service of AWS, such as ``lambda``."""
        suffix = ".cn" if self.partition == "aws-cn" and name == "ec2" else ""
        return f"{name}.amazonaws.com{suffix}"

    @property
    def root(self) -> str:
        """Return the ARN of the account itself."""
        return self.iam("root")

    def iam(self, resource: str) -> str:
        """Return the ARN of an object of IAM, such as ``role/shop-prod``."""
        return f"arn:{self.partition}:iam::{self.id}:{resource}"

    def arn(self, service: str, resource: str) -> str:
        """Return the ARN of an object of another service in the region."""
        return f"arn:{self.partition}:{service}:{self.region}:{self.id}:{resource}"

    def secret(self, path: str, suffix: str = ANY_SUFFIX) -> str:
        """Return the ARN of a secret, its pattern by default, or *path* if that is an ARN."""
        return path if path.startswith("arn:") else f"{self._secret_prefix}{path}-{suffix}"

    def secrets(self, begin: str) -> str:
        """Return the pattern of the ARNs of all secrets whose names begin with *begin*."""
        return f"{self._secret_prefix}{begin}*"

    @property
    def _secret_prefix(self) -> str:
        return f"arn:{self.partition}:secretsmanager:{self.region}:{self.id}:secret:"

    def function(self, name: str) -> str:
        """Return the ARN of a Lambda function."""
        return f"arn:{self.partition}:lambda:{self.region}:{self.id}:function:{name}"

    def policy(self, name: str) -> str:
        """Return the ARN of a managed policy."""
        return f"arn:{self.partition}:iam::{self.id}:policy/{name}"

    def session(self, role: str, name: str) -> str:
        """Return the ARN of a session of a role, which a request under the role has."""
        return f"arn:{self.partition}:sts::{self.id}:assumed-role/{role}/{name}"

    def alarm(self, name: str) -> str:
        """Return the ARN of an alarm of CloudWatch."""
        return f"arn:{self.partition}:cloudwatch:{self.region}:{self.id}:alarm:{name}"

    def log_group(self, name: str) -> str:
        """Return the ARN of a log group."""
        return f"arn:{self.partition}:logs:{self.region}:{self.id}:log-group:{name}"
