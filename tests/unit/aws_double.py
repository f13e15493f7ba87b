"""An account of AWS that answers as a test wants, where moto has no real answers."""

from botocore.exceptions import ClientError

from seedbed.environments.aws.account import Account

ACCOUNT, REGION = "123456789012", "eu-west-1"


def refusal(code, operation="Asked", said="no"):
    return ClientError({"Error": {"Code": code, "Message": said}}, operation)


class Service:
    """A client whose operations answer as told; one that was told nothing answers with nothing."""

    def __init__(self, name, answers, asked):
        self._name, self._answers, self._asked = name, answers, asked

    def can_paginate(self, _operation):
        return False

    def __getattr__(self, operation):
        def ask(**arguments):
            self._asked.append((f"{self._name}.{operation}", arguments))
            answer = self._answers.get(f"{self._name}.{operation}", {})
            answer = answer(**arguments) if callable(answer) else answer
            if isinstance(answer, Exception):
                raise answer
            return answer

        return ask


class Clients:
    """What `Account` takes its clients from."""

    region, partition, home_region = REGION, "aws", "us-east-1"

    def __init__(self, answers):
        self.answers, self.asked = answers, []

    def __call__(self, service, *_region, **_options):
        return Service(service, self.answers, self.asked)


def account(caller=f"arn:aws:iam::{ACCOUNT}:user/ada", **answers):
    """An account; answers by "service.operation", with two underscores for the dot."""
    found = Clients(
        {key.replace("__", ".").replace("service_quotas", "service-quotas"): v for key, v in answers.items()}
    )
    return Account(ACCOUNT, found, caller)
