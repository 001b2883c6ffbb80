# Configuring and compiling a CMake preset into build/PRESET.

# Everything a build needs: packages, the Python to embed, pybind11, ccache when it is there.
ensure_build_tools() {
  ensure_packages "$BUILD_PACKAGES"
  if [ "$(uname)" = Linux ]; then ensure_packages "$LINUX_BUILD_PACKAGES"; fi
  ensure_requirements build
  PYEMBER_PYBIND11="$("$ENV_PYTHON" -m pybind11 --cmakedir)"
  PYEMBER_CCACHE=""
  if have ccache; then PYEMBER_CCACHE=ccache; fi
  # Other folders with the same tree in them, the wheel's above all, find what was compiled here.
  export CCACHE_BASEDIR="$ROOT" CCACHE_NOHASHDIR=1
  export PYEMBER_PYBIND11 PYEMBER_CCACHE
}

# configure PRESET
configure() {
  local folder="$ROOT/build/$1" inputs
  inputs="$PYEMBER_PYTHON $PYEMBER_PYBIND11 $PYEMBER_CCACHE $(cat "$ROOT/CMakePresets.json")"
  # Ninja runs CMake again by itself when a CMakeLists.txt changes; only what comes from outside
  # needs a look here.
  if [ -f "$folder/build.ninja" ] && up_to_date "$folder/pyember.stamp" "$inputs"; then return; fi
  say "configuring build/$1 (Python: $PYEMBER_PYTHON)"
  cmake --preset "$1" >&2 || die "CMake could not configure the preset '$1'; see its message above."
  printf '%s\n' "$inputs" > "$folder/pyember.stamp"
}

# ensure_service_packages PRESET: what the server itself imports lies beside the program.
ensure_service_packages() {
  local list="$ROOT/tools/dev/requirements-services.txt" folder="$ROOT/build/$1/packages"
  if up_to_date "$folder/pyember.stamp" "$(cat "$list")"; then return; fi
  say "installing $(basename "$list") into build/$1/packages"
  rm -rf "$folder"
  "$ENV_PYTHON" -m pip install -q --disable-pip-version-check --no-compile --target "$folder" -r "$list" >&2 ||
    die "pip could not install $list; see its message above (is there a network?). Run ./dev again when it is mended."
  cp "$list" "$folder/pyember.stamp"
}

# build_preset PRESET [TARGET...]
build_preset() {
  local preset="$1" target options=()
  shift
  ensure_build_tools
  configure "$preset"
  ensure_service_packages "$preset"
  for target in "$@"; do options+=(--target "$target"); done
  say "building build/$preset"
  cmake --build "$ROOT/build/$preset" -j "$(processors)" ${options[@]+"${options[@]}"} >&2 ||
    die "the build of preset '$preset' failed; the compiler's message is above."
}
