"""Runbook, first Monday of each month 1: security updates."""

import pytest

from cdcproof.findings import require


@pytest.mark.runbook("monthly.1-images")
def test_containers_run_the_images_of_the_compose_files(images, evidence, remedies):
    """Every container runs the image that the compose files name, as it was pulled last; none is too old."""
    evidence.saw("Images", images.rows())

    require(images.observation(), action=remedies.update_images(), concern_action=remedies.update_images())


@pytest.mark.runbook("monthly.1-newer-images")
def test_no_newer_image_is_to_be_had(newer_images, evidence, remedies):
    """No registry has a newer image under the tag of one that runs."""
    evidence.saw("Images at their registries", newer_images.rows())

    require(newer_images.observation(), concern_action=remedies.update_images())


@pytest.mark.runbook("monthly.1-newer-tags")
def test_no_newer_version_is_to_be_had(newer_tags, evidence, remedies):
    """No registry has a newer version of an image that runs, by the tags of the same form."""
    evidence.saw("Newer versions", newer_tags.rows())

    require(newer_tags.observation(), concern_action=remedies.upgrade_images())


@pytest.mark.runbook("monthly.1-advisories")
def test_no_installed_package_has_a_known_vulnerability(advisories, evidence, remedies):
    """No Python package of this installation has a known vulnerability; every one was audited."""
    evidence.saw("pip-audit", advisories.rows())

    require(advisories.observation(), action=remedies.update_packages())


@pytest.mark.runbook("monthly.1-accounts")
def test_no_account_has_more_rights_than_its_role_needs(account_rights, evidence):
    """No account of the checks, the round trip or a connector has more rights than its role needs, or two roles."""
    evidence.saw("Accounts and what they have beyond their roles", account_rights.rows())

    require(account_rights)
