"""Who calls AWS, and whether that identity may become the deployer."""

from __future__ import annotations

from collections.abc import Iterator

from deployer.aws import naming
from deployer.aws.client import Aws, AwsError
from deployer.errors import Unavailable
from deployer.operations.doctor.model import Check, Examination, missing, ok, unknown
from deployer.project.environments import LOCAL


def checks(seen: Examination) -> Iterator[Check]:
    """The identity, then the deployer's role where the environment names one. Sets `seen.aws`."""
    remote = seen.environment.remote
    if remote is None or (seen.environment.kind == LOCAL and seen.aws is None):
        return
    aws = seen.aws or Aws(remote)
    login = f"aws sso login --profile {remote.profile}" if remote.profile else "aws sso login"
    try:
        identity = aws.identity()
    except (AwsError, Unavailable) as error:
        yield missing("identity", str(error), login)
        return
    yield ok("identity", shown(identity))
    seen.aws = aws
    if not remote.owner:
        yield ok("deployer", "no key 'owner': whoever calls deploys, and owns what is deployed")
        return
    try:
        aws.become_owner()
    except (AwsError, Unavailable) as error:
        seen.aws = None
        yield missing(
            "deployer",
            f"{shown(identity)} cannot become the role {remote.owner}: {error}",
            f"let [env.{seen.environment.name}.trust] of zeroshift.toml name {shown(identity)}, then"
            f" `{bootstrap_command(seen)}`",
        )
        return
    yield ok("deployer", f"the role {remote.owner}, and the caller may become it")


def shown(arn: str) -> str:
    """An ARN without its account: `role ci`, `user ann`, `root`."""
    resource = arn.split(":", 5)[-1]
    kind, _, rest = resource.partition("/")
    if kind == "assumed-role":
        return f"role {rest.partition('/')[0]}"
    return f"{kind} {rest}" if rest else kind


def bootstrap_command(seen: Examination) -> str:
    """What an administrator types to create or update the bootstrap stack."""
    name = naming.stack(seen.project, seen.environment, "bootstrap")
    assert seen.environment.remote is not None
    command = (
        f"zeroshift template {seen.env} --bootstrap > bootstrap.json && aws cloudformation deploy"
        f" --stack-name {name} --template-file bootstrap.json --capabilities CAPABILITY_NAMED_IAM"
    )
    warehouse = seen.environment.remote.identifier
    values = []
    if seen.environment.kind == "serverless":
        get = f"aws redshift-serverless get-workgroup --workgroup-name {warehouse}"
        values.append(f"WorkgroupId=$({get} --query workgroup.workgroupId --output text)")
        if seen.environment.integrations:
            name = f"$({get} --query workgroup.namespaceName --output text)"
            values.append(
                f"NamespaceId=$(aws redshift-serverless get-namespace --namespace-name {name}"
                " --query namespace.namespaceId --output text)"
            )
    elif seen.environment.integrations:
        values.append(
            f"NamespaceId=$(aws redshift describe-clusters --cluster-identifier {warehouse}"
            " --query Clusters[0].ClusterNamespaceArn --output text | sed s/.*://)"
        )
    return f"{command} --parameter-overrides {' '.join(values)}" if values else command


def no_aws(name: str) -> Check:
    """For everything that needs an identity in AWS."""
    return unknown(name, "nobody is logged in to AWS, see above")
