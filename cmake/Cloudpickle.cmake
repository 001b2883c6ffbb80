# cloudpickle, which sessions use to hand their state on (python/mcp_runtime/bundled.py): a package of
# one Python file, copied to bundled/ beside the program. It is installed where pybind11 is.
set(PYEMBER_CLOUDPICKLE "" CACHE PATH "the folder of the Python package cloudpickle 3.1")

if(PYEMBER_CLOUDPICKLE)
  set(cloudpickle_folder "${PYEMBER_CLOUDPICKLE}")
else()
  # site-packages/pybind11/share/cmake/pybind11
  cmake_path(SET cloudpickle_folder NORMALIZE "${pybind11_DIR}/../../../../cloudpickle")
endif()
if(NOT EXISTS "${cloudpickle_folder}/cloudpickle.py")
  message(FATAL_ERROR "cloudpickle was not found at ${cloudpickle_folder}. Run ./dev build, which "
                      "installs it, or: pip install 'cloudpickle>=3.1,<3.2', and pass its folder "
                      "with -DPYEMBER_CLOUDPICKLE=…")
endif()
file(STRINGS "${cloudpickle_folder}/__init__.py" cloudpickle_version REGEX "^__version__ = ")
if(NOT cloudpickle_version MATCHES "\"3\\.1\\.")
  message(FATAL_ERROR "${cloudpickle_folder} has ${cloudpickle_version}, and sessions need 3.1. Run "
                      "./dev build, or: pip install 'cloudpickle>=3.1,<3.2'")
endif()
file(COPY "${cloudpickle_folder}/" DESTINATION "${CMAKE_BINARY_DIR}/bundled/cloudpickle"
     FILES_MATCHING PATTERN "*.py" PATTERN "__pycache__" EXCLUDE)
