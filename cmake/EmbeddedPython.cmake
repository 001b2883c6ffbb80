# The CPython to embed: target pyember_python (headers and shared library) and pybind11::headers.
# PYEMBER_PYTHON names its interpreter (the ./dev script finds one); PYEMBER_PYBIND11 the folder
# of pybind11's own CMake files.
set(PYEMBER_PYTHON "" CACHE FILEPATH "python3.13 or newer, built with a shared library")
set(PYEMBER_PYBIND11 "" CACHE PATH "pybind11's CMake folder (python -m pybind11 --cmakedir)")

set(python_advice "Name another with -DPYEMBER_PYTHON=…, or run: uv python install 3.13")
if(SKBUILD)
  # A wheel belongs to the Python that builds it, and to no other.
  set(PYEMBER_PYTHON "${Python_EXECUTABLE}")
  string(CONCAT python_advice
         "A wheel embeds the Python that installs it: install with one that is fit, such as uv's "
         "(uv python install 3.13; uv tool install --python 3.13 .), or build without a wheel: "
         "./dev build")
endif()
if(NOT PYEMBER_PYTHON)
  message(FATAL_ERROR "No Python to embed was named. Run ./dev build, which finds one, or pass "
                      "-DPYEMBER_PYTHON=/path/to/python3.13")
endif()

execute_process(
  COMMAND "${PYEMBER_PYTHON}" -I -S "${CMAKE_CURRENT_LIST_DIR}/python_facts.py"
  OUTPUT_VARIABLE python_facts OUTPUT_STRIP_TRAILING_WHITESPACE RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "${PYEMBER_PYTHON} does not run, so it cannot be embedded. "
                      "${python_advice}")
endif()
# python_fact(KEY VARIABLE): what the interpreter said about KEY; see python_facts.py.
function(python_fact key variable)
  string(REGEX MATCH "(^|\n)${key}=([^\n]*)" line "${python_facts}")
  set(${variable} "${CMAKE_MATCH_2}" PARENT_SCOPE)
endfunction()
python_fact(executable PYEMBER_PYTHON_EXECUTABLE)
python_fact(version PYEMBER_PYTHON_VERSION)
python_fact(prefix PYEMBER_PYTHON_PREFIX)
python_fact(library python_library)
python_fact(include python_include)
python_fact(problem python_problem)
if(python_problem)
  message(FATAL_ERROR "${PYEMBER_PYTHON} ${python_problem}. ${python_advice}")
endif()
cmake_path(GET python_library PARENT_PATH python_libdir)

add_library(pyember_python INTERFACE)
target_include_directories(pyember_python SYSTEM INTERFACE "${python_include}")
target_link_libraries(pyember_python INTERFACE "${python_library}")
target_link_options(pyember_python INTERFACE "-Wl,-rpath,${python_libdir}")

if(PYEMBER_PYBIND11)
  set(pybind11_DIR "${PYEMBER_PYBIND11}")
endif()
set(PYBIND11_NOPYTHON ON)
find_package(pybind11 3.1 REQUIRED CONFIG)
