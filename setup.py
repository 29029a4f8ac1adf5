"""Makes pip accept -e with a setup.cfg; the metadata is there."""

from setuptools import setup

setup()
