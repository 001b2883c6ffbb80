# Small things every part of ./dev uses. Sourced by ./dev; $ROOT is the checkout.

readonly DEV_DIR="$ROOT/.dev"  # private environments; never committed, safe to delete

# Progress goes to stderr, so that a verb's stdout is its result.
say() { printf '\n== %s\n' "$*" >&2; }

# die "what happened and why; what to do next."
die() {
  printf './dev: %s\n' "$*" >&2
  exit 1
}

have() { command -v "$1" > /dev/null 2>&1; }

on_macos() { [ "$(uname -s)" = Darwin ]; }

processors() { nproc 2> /dev/null || getconf _NPROCESSORS_ONLN 2> /dev/null || echo 2; }

# run_as_root COMMAND...: directly, or through sudo; without a terminal sudo must not ask.
run_as_root() {
  if [ "$(id -u)" = 0 ]; then
    "$@"
  elif have sudo; then
    if [ -t 0 ]; then sudo "$@"; else sudo -n "$@"; fi
  else
    die "installing packages needs root and there is no sudo. Run this as root, then again: $*"
  fi
}

# up_to_date STAMP TEXT: the stamp file holds exactly TEXT, so the step it stands for is done.
up_to_date() { [ -f "$1" ] && [ "$(cat "$1")" = "$2" ]; }
