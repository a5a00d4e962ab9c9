"""Archive to S3: run the policies, list, verify, restore and prune what is there."""
