"""What an interpreter says about itself as something to embed.

Run by the candidate itself: from tools/find_python, which takes the first that is fit, and from
cmake/EmbeddedPython.cmake, which builds against it. Prints `key=value` lines; `problem` is there
when it can't be embedded, and says why. Runs on any Python 3, with -I -S.
"""

import os
import sys
import sysconfig

MINIMUM = (3, 13)


def library_path():
    """The shared libpython, or "" when none is to be found."""
    var = sysconfig.get_config_var
    names = [var("LDLIBRARY"), var("INSTSONAME"), "libpython%d.%d.so" % sys.version_info[:2]]
    folders = [var("LIBDIR"), os.path.join(var("LIBDIR") or "", var("MULTIARCH") or ""),
               os.path.join(sys.base_prefix, "lib"), var("LIBPL"), var("PYTHONFRAMEWORKPREFIX")]
    for folder in folders:
        for name in names:
            # The static archive carries the name LDLIBRARY where there is no shared build.
            if folder and name and not name.endswith(".a"):
                path = os.path.join(folder, name)
                if os.path.exists(path):
                    return path
    return ""


def include_path():
    """The folder of Python.h, or "". Some relocated builds remember the folder of their maker."""
    here = os.path.join(sys.base_prefix, "include", "python%d.%d" % sys.version_info[:2])
    for folder in (sysconfig.get_path("include"), here):
        if folder and os.path.exists(os.path.join(folder, "Python.h")):
            return folder
    return ""


def problem(library, include):
    version = "%d.%d" % sys.version_info[:2]
    if sys.version_info < MINIMUM:
        return "is Python %s; own-GIL sessions need 3.13 or newer" % version
    if sysconfig.get_config_var("Py_GIL_DISABLED"):
        return "is the free-threaded build, which has no per-interpreter GIL"
    if not sysconfig.get_config_var("Py_ENABLE_SHARED") and not library:
        return "was built without a shared library (--enable-shared)"
    if not library:
        return "has no libpython%s to link against (Debian: libpython%s-dev)" % (version, version)
    if not include:
        return "has no Python.h (Debian: python%s-dev, Fedora: python3-devel)" % version
    return ""


def main():
    library, include = library_path(), include_path()
    # The interpreter under a virtual environment: one that pip builds in is gone afterwards.
    print("executable=%s" % (getattr(sys, "_base_executable", None) or sys.executable))
    print("version=%d.%d" % sys.version_info[:2])
    print("prefix=%s" % sys.base_prefix)
    print("library=%s" % library)
    print("include=%s" % include)
    print("problem=%s" % problem(library, include))


if __name__ == "__main__":
    main()
