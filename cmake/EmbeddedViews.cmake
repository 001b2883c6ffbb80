# pyember_embed_views(TARGET FOLDER): the HTML files of FOLDER become part of TARGET, each a single document with its
# styles and scripts in it. Run as a script (-P), it writes the C++ source: a view NAME.html is the string kNameView.
if(NOT CMAKE_SCRIPT_MODE_FILE)
  function(pyember_embed_views target folder)
    file(GLOB parts CONFIGURE_DEPENDS "${folder}/*.html" "${folder}/*.css" "${folder}/*.js")
    set(source "${CMAKE_CURRENT_BINARY_DIR}/embedded_views.cpp")
    add_custom_command(
      OUTPUT "${source}"
      COMMAND "${CMAKE_COMMAND}" -D "FOLDER=${folder}" -D "SOURCE=${source}" -P "${CMAKE_SOURCE_DIR}/cmake/EmbeddedViews.cmake"
      DEPENDS ${parts} "${CMAKE_SOURCE_DIR}/cmake/EmbeddedViews.cmake"
      COMMENT "Embedding the views of ${folder}" VERBATIM)
    target_sources(${target} PRIVATE "${source}")
  endfunction()
  return()
endif()

# with_part(DOCUMENT LINE NAME OPEN CLOSE): in DOCUMENT (a variable), LINE gives way to what is in the file NAME.
macro(with_part document line name open close)
  file(READ "${FOLDER}/${name}" part)
  string(REPLACE "${line}" "${open}\n${part}${close}" ${document} "${${document}}")
endmacro()

set(cpp "// Written by cmake/EmbeddedViews.cmake.\n#include \"host/apps/views.h\"\n\nnamespace pyember::host {\n")
file(GLOB views "${FOLDER}/*.html")
foreach(view IN LISTS views)
  file(READ "${view}" html)
  string(REGEX MATCHALL "<link rel=\"stylesheet\" href=\"[^\"]+\">" links "${html}")
  foreach(link IN LISTS links)
    string(REGEX REPLACE ".*href=\"([^\"]+)\".*" "\\1" name "${link}")
    with_part(html "${link}" "${name}" "<style>" "</style>")
  endforeach()
  string(REGEX MATCHALL "<script src=\"[^\"]+\"></script>" scripts "${html}")
  foreach(script IN LISTS scripts)
    string(REGEX REPLACE ".*src=\"([^\"]+)\".*" "\\1" name "${script}")
    with_part(html "${script}" "${name}" "<script>" "</script>")
  endforeach()
  get_filename_component(name "${view}" NAME_WE)
  string(SUBSTRING "${name}" 0 1 first)
  string(SUBSTRING "${name}" 1 -1 rest)
  string(TOUPPER "${first}" first)
  string(APPEND cpp "\nconst std::string_view k${first}${rest}View = R\"pyember(${html})pyember\";\n")
endforeach()
string(APPEND cpp "\n}  // namespace pyember::host\n")
file(WRITE "${SOURCE}" "${cpp}")
