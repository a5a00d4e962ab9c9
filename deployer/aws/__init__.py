"""AWS: credentials, CloudFormation stacks, and the few calls that CloudFormation lacks."""
