import pytest

from seedbed import locks
from seedbed.errors import TemplateError

LOCK = """\
alpha==1.0 \\
    --hash=sha256:aa \\
    --hash=sha256:ab
    # via -r templates/core/requirements.in
beta==2.0 ; python_version < '3.12' \\
    --hash=sha256:bb
    # via
    #   alpha
    #   delta
gamma==3.0 \\
    --hash=sha256:cc
    # via
    #   -r templates/monitoring/requirements.in
    #   beta
delta==4.0 \\
    --hash=sha256:dd
    # via -r templates/monitoring/requirements.in
viaduct==5.0 \\
    --hash=sha256:ee
    # via delta
"""


def names(text):
    return [line.split("==")[0] for line in text.splitlines() if "==" in line]


def test_only_what_the_roots_lead_to_stays_with_hashes_and_markers():
    text = locks.subset(LOCK, ["templates/core/requirements.in"])
    assert names(text) == ["alpha", "beta", "gamma"]
    assert "beta==2.0 ; python_version < '3.12' \\\n    --hash=sha256:bb\n" in text
    assert "#" not in text


def test_all_roots_give_everything():
    roots = ["templates/core/requirements.in", "templates/monitoring/requirements.in"]
    assert names(locks.subset(LOCK, roots)) == ["alpha", "beta", "gamma", "delta", "viaduct"]


def test_a_root_that_the_lock_does_not_know_is_an_error():
    with pytest.raises(TemplateError, match="knows nothing of templates/new/requirements.in"):
        locks.subset(LOCK, ["templates/new/requirements.in"])
