# The CPython to embed: target pyember_python (headers and shared library) and pybind11::headers.
# PYEMBER_PYTHON names its interpreter (the ./dev script finds one); PYEMBER_PYBIND11 the folder
# of pybind11's own CMake files.
set(PYEMBER_PYTHON "" CACHE FILEPATH "python3.13 or newer, built with a shared library")
set(PYEMBER_PYBIND11 "" CACHE PATH "pybind11's CMake folder (python -m pybind11 --cmakedir)")

if(NOT PYEMBER_PYTHON)
  message(FATAL_ERROR "No Python to embed was named. Run ./dev build, which finds one, or pass "
                      "-DPYEMBER_PYTHON=/path/to/python3.13")
endif()

execute_process(
  COMMAND "${PYEMBER_PYTHON}" -c "
import sys, sysconfig
c = sysconfig.get_config_var
print(';'.join([sys.executable, '%d.%d' % sys.version_info[:2], sysconfig.get_path('include'),
                c('LIBDIR') or '', c('LDLIBRARY') or '', str(c('Py_ENABLE_SHARED') or 0),
                sys.base_prefix]))"
  OUTPUT_VARIABLE facts OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "${PYEMBER_PYTHON} does not run, so it cannot be embedded. Name another "
                      "with -DPYEMBER_PYTHON=…, or run: uv python install 3.13")
endif()
list(GET facts 0 PYEMBER_PYTHON_EXECUTABLE)
list(GET facts 1 PYEMBER_PYTHON_VERSION)
list(GET facts 2 python_include)
list(GET facts 3 python_libdir)
list(GET facts 4 python_library)
list(GET facts 5 python_shared)
list(GET facts 6 PYEMBER_PYTHON_PREFIX)
if(PYEMBER_PYTHON_VERSION VERSION_LESS 3.13)
  message(FATAL_ERROR "${PYEMBER_PYTHON} is Python ${PYEMBER_PYTHON_VERSION}; own-GIL sessions need "
                      "3.13 or newer. Run: uv python install 3.13")
endif()
if(NOT python_shared)
  message(FATAL_ERROR "${PYEMBER_PYTHON} was built without a shared library, so it cannot be "
                      "embedded. Run: uv python install 3.13")
endif()

add_library(pyember_python INTERFACE)
target_include_directories(pyember_python SYSTEM INTERFACE "${python_include}")
target_link_libraries(pyember_python INTERFACE "${python_libdir}/${python_library}")
target_link_options(pyember_python INTERFACE "-Wl,-rpath,${python_libdir}")

if(PYEMBER_PYBIND11)
  set(pybind11_DIR "${PYEMBER_PYBIND11}")
endif()
set(PYBIND11_NOPYTHON ON)
find_package(pybind11 3.1 REQUIRED CONFIG)
