# One function a verb.

verb_build() {
  local preset="${1:-release}"
  [ "$preset" != fuzz ] || ensure_fuzzer_runtime
  build_preset "$preset"
  if [ -x "$ROOT/build/$preset/pyember" ]; then printf '%s\n' "$ROOT/build/$preset/pyember"; fi
}

verb_demo() {
  build_preset release pyember pyember-runner
  ensure_requirements test
  export_uv
  "$ENV_PYTHON" "$ROOT/tools/demo.py" --server "$ROOT/build/release/pyember" "$@"
}

# Arguments are names of suites; without one, all of them run. The counting is done in
# tools/dev/run_tests.py, from what each suite itself reports.
verb_test() {
  if [ "${1:-}" = --list ]; then
    ensure_requirements build
    "$ENV_PYTHON" "$ROOT/tools/dev/run_tests.py" --list
    return
  fi
  ensure_compiler_cache
  build_preset release
  ensure_requirements test
  ensure_container_packages
  ensure_sandbox_packages
  ensure_node
  ensure_browser
  ensure_upstreams
  export_uv
  "$ENV_PYTHON" "$ROOT/tools/dev/run_tests.py" --build "$ROOT/build/release" --node "$NODE" "$@"
}

# The embedding tests run too, as far as they can: CPython's own allocator would hide its blocks
# from the sanitizer, and what CPython keeps until exit is no leak of ours.
verb_asan() {
  build_preset asan compiled_tests pyember-runner
  ensure_requirements test
  export_uv
  local supp="$ROOT/tools/sanitizers"
  # Fatal signals belong to our own handlers: a session's crash is parked, not reported by ASan.
  PYTHONMALLOC=malloc \
    ASAN_OPTIONS="allocator_may_return_null=1:handle_segv=0:handle_sigbus=0:handle_abort=0:handle_sigill=0:handle_sigfpe=0:use_sigaltstack=0" \
    LSAN_OPTIONS="suppressions=$supp/lsan.supp:print_suppressions=0" \
    UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1:suppressions=$supp/ubsan.supp" \
    "$ENV_PYTHON" "$ROOT/tools/dev/run_tests.py" --build "$ROOT/build/asan" --sanitizer asan "$@"
}

# CPython isn't built for the thread sanitizer, so the embedding tests would report its locks as
# races; base, mcp and host are what it can cover.
verb_tsan() {
  build_preset tsan compiled_tests_without_python
  ensure_requirements test
  export_uv
  TSAN_OPTIONS="halt_on_error=1:second_deadlock_stack=1:suppressions=$ROOT/tools/sanitizers/tsan.supp" \
    "$ENV_PYTHON" "$ROOT/tools/dev/run_tests.py" --build "$ROOT/build/tsan" --sanitizer tsan "$@"
}

verb_fuzz() {
  local seconds="${1:-60}" source targets=("${@:2}")
  if [ "${#targets[@]}" -eq 0 ]; then
    for source in "$ROOT"/tests/fuzz/fuzz_*.cpp; do targets+=("$(basename "$source" .cpp)"); done
  fi
  ensure_fuzzer_runtime
  build_preset fuzz "${targets[@]}"
  for source in "${targets[@]}"; do fuzz_one "$source" "$seconds"; done
}

# fuzz_one TARGET SECONDS: what is newly found goes under build/; the committed corpus is only read.
fuzz_one() {
  local found="$ROOT/build/fuzz/corpus/$1"
  mkdir -p "$found"
  say "fuzzing $1 for $2 s"
  "$ROOT/build/fuzz/tests/fuzz/$1" -max_total_time="$2" -timeout=10 -rss_limit_mb=2048 \
    -print_final_stats=1 -artifact_prefix="$ROOT/build/fuzz/$1-" "$found" "$ROOT/tests/fuzz/corpus" ||
    die "$1 found an input that breaks it; it stands in build/fuzz/$1-*. Run it again with: build/fuzz/tests/fuzz/$1 FILE"
}

# Scripts are run through uv; tests and measures need one as users do.
export_uv() {
  ensure_uv
  export PYEMBER_UV="$UV"
}

verb_bench() {
  build_preset release
  ensure_requirements test
  export_uv
  "$ENV_PYTHON" "$ROOT/bench/run.py" --binary "$ROOT/build/release/pyember" "$@"
}

verb_soak() {
  build_preset release
  ensure_requirements test
  ensure_container_packages
  ensure_sandbox_packages
  export_uv
  PYEMBER_BINARY="$ROOT/build/release/pyember" "$ENV_PYTHON" "$ROOT/tests/hostile/soak.py" "$@"
  # All of it: the parsers, too, each for ten minutes.
  if [ "$#" -eq 0 ]; then verb_fuzz 600; fi
}

cpp_files() {
  find src bench tests -name build -prune -o \( -name '*.h' -o -name '*.cpp' -o -name '*.c' \) -print | sort
}

verb_fmt() {
  ensure_packages "$FORMAT_PACKAGES"
  if [ "${1:-}" = --check ]; then
    cpp_files | xargs clang-format --dry-run --Werror
  else
    cpp_files | xargs clang-format -i
  fi
}

verb_tidy() {
  ensure_packages "$TIDY_PACKAGES"
  build_preset release
  "$ENV_PYTHON" "$ROOT/tools/tidy.py"
  say "clang-tidy over src/"
  find src -name '*.cpp' | sort |
    xargs -P "$(processors)" -n 4 clang-tidy -p "$ROOT/build/release" --quiet
}

verb_ci() {
  verb_test
  verb_asan
  verb_tsan
}
