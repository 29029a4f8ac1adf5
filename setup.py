"""Builds the optional native library; all else is in setup.cfg. Without a compiler the install succeeds without it."""

import shutil
from glob import glob

from setuptools import Extension, setup

for earlier in glob("build/lib*"):
    shutil.rmtree(earlier)  # a module that is gone would go into the wheel from there

library = Extension(
    "mapreduce.native._native",
    ["mapreduce/native/native.c"],
    depends=sorted(glob("mapreduce/native/*.h")),
    libraries=["m"],
    extra_compile_args=["-std=c11", "-O3", "-ffp-contract=off", "-fvisibility=hidden"],
    py_limited_api=True,
    optional=True,
)
setup(ext_modules=[library])
