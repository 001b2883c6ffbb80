# What `cmake --install` and the wheel carry: bin/pyember, and beside it lib/pyember/ with the
# runner and the Python packages, where host::find_runtime_directory and find_runner look.
include(GNUInstallDirs)
if(SKBUILD)
  # "scripts" lands in the environment's bin/, "data" in its root.
  set(pyember_bin "${SKBUILD_SCRIPTS_DIR}")
  set(pyember_lib "${SKBUILD_DATA_DIR}/lib/pyember")
else()
  set(pyember_bin "${CMAKE_INSTALL_BINDIR}")
  set(pyember_lib "lib/pyember")
endif()

install(TARGETS pyember RUNTIME DESTINATION "${pyember_bin}" COMPONENT pyember)
if(TARGET pyember-runner)
  install(TARGETS pyember-runner RUNTIME DESTINATION "${pyember_lib}" COMPONENT pyember)
endif()
if(TARGET pyember-enter)
  install(TARGETS pyember-enter RUNTIME DESTINATION "${pyember_lib}" COMPONENT pyember)
endif()
if(TARGET pyember-http)
  install(TARGETS pyember-http LIBRARY DESTINATION "${pyember_lib}" COMPONENT pyember)
endif()
install(DIRECTORY "${CMAKE_SOURCE_DIR}/python/" DESTINATION "${pyember_lib}" COMPONENT pyember
        FILES_MATCHING PATTERN "*.py" PATTERN "__pycache__" EXCLUDE PATTERN ".*_cache" EXCLUDE)
install(DIRECTORY "${CMAKE_BINARY_DIR}/bundled/" DESTINATION "${pyember_lib}/bundled" COMPONENT pyember
        FILES_MATCHING PATTERN "*.py" PATTERN "__pycache__" EXCLUDE)
