# Private environments under .dev/: the Python to embed, a virtual environment made with it
# (pybind11 and what tests need), uv, Node 22, the TypeScript SDKs and the MCP servers that tests reach.
# Versions are pinned in tools/dev/requirements-*.txt and the package.json beside the tests.

readonly PYTHON_ENV="$DEV_DIR/python"
readonly ENV_PYTHON="$PYTHON_ENV/bin/python"
readonly NODE_ENV_DIR="$DEV_DIR/node"
readonly NODE_VERSION=22.23.3
readonly UV_VERSION=0.13.8

# Sets and exports PYEMBER_PYTHON: the Python to embed. Found, or installed as a last resort.
ensure_embedded_python() {
  local found status=0
  found="$("$ROOT/tools/find_python")" || status=$?
  [ "$status" != 2 ] || exit 1  # PYEMBER_PYTHON names an unfit one; it said so
  if [ -z "$found" ]; then
    install_embedded_python
    found="$("$ROOT/tools/find_python")" || no_python_to_embed
  fi
  export PYEMBER_PYTHON="$found"
}

no_python_to_embed() {
  "$ROOT/tools/find_python" --explain >&2 || true
  die "no CPython 3.13 or newer with a shared library and headers was found (candidates above). Install one: 'uv python install 3.13', or on Debian 13 'apt install python3-dev'; or name one: PYEMBER_PYTHON=/path/to/python3.13 ./dev build"
}

# Debian 13 and later package a fit one; elsewhere uv brings one.
install_embedded_python() {
  if [ "$(package_manager)" = apt ] && packaged_python_is_new_enough; then
    say "installing the system's Python with its shared library and headers"
    install_packages apt python3-dev libpython3-dev python3-venv || true
    if "$ROOT/tools/find_python" > /dev/null; then return; fi
  fi
  ensure_uv
  say "no Python to embed here: uv python install 3.13"
  "$UV" python install 3.13 >&2 || no_python_to_embed
}

packaged_python_is_new_enough() {
  local version
  run_as_root apt-get update -qq >&2 || true
  version="$(apt-cache policy python3-dev 2> /dev/null | sed -n 's/^ *Candidate: *\([0-9]*\.[0-9]*\).*/\1/p')"
  [ -n "$version" ] && [ "$(printf '%s\n3.13\n' "$version" | sort -V | head -n 1)" = 3.13 ]
}

# Sets UV. One on PATH is taken; else it comes from PyPI into an environment of its own, because
# the Python to embed may not exist yet.
ensure_uv() {
  if have uv; then
    UV="$(command -v uv)"
    return
  fi
  UV="$DEV_DIR/uv/bin/uv"
  if [ ! -x "$UV" ]; then
    ensure_packages "$BOOTSTRAP_PYTHON_PACKAGES"
    say "installing uv $UV_VERSION into .dev/uv"
    make_venv python3 "$DEV_DIR/uv"
    "$DEV_DIR/uv/bin/python" -m pip install -q "uv==$UV_VERSION" >&2 ||
      die "uv could not be installed from PyPI; see pip's message above. Install it yourself (https://docs.astral.sh/uv) and run ./dev again."
  fi
}

# make_venv PYTHON FOLDER. Debian keeps ensurepip in a package of its own.
make_venv() {
  if ! "$1" -c 'import ensurepip' > /dev/null 2>&1 && [ "$(package_manager)" = apt ]; then
    install_packages apt python3-venv || true
  fi
  rm -rf "$2"
  "$1" -m venv "$2" >&2 ||
    die "$1 can't make a virtual environment; see its message above. Install its 'venv' and 'ensurepip' modules (Debian: python3-venv)."
}

# ensure_requirements NAME: tools/dev/requirements-NAME.txt is installed in .dev/python, which is
# made anew when the embedded Python changes.
ensure_requirements() {
  ensure_embedded_python
  local list="$ROOT/tools/dev/requirements-$1.txt" stamp="$PYTHON_ENV/pyember-$1.stamp"
  if ! up_to_date "$PYTHON_ENV/pyember-python.stamp" "$PYEMBER_PYTHON" || [ ! -x "$ENV_PYTHON" ]; then
    say "making the private Python environment .dev/python with $PYEMBER_PYTHON"
    make_venv "$PYEMBER_PYTHON" "$PYTHON_ENV"
    printf '%s\n' "$PYEMBER_PYTHON" > "$PYTHON_ENV/pyember-python.stamp"
  fi
  if ! up_to_date "$stamp" "$(cat "$list")"; then
    say "installing $(basename "$list") into .dev/python"
    "$ENV_PYTHON" -m pip install -q --disable-pip-version-check -r "$list" >&2 ||
      die "pip could not install $list; see its message above (is there a network?). Run ./dev again when it is mended."
    cp "$list" "$stamp"
  fi
}

# ensure_npm_packages FOLDER WHAT: what FOLDER/package-lock.json names is installed there.
ensure_npm_packages() {
  local folder="$ROOT/$1"
  if ! up_to_date "$folder/node_modules/pyember.stamp" "$(cat "$folder/package-lock.json")"; then
    say "installing $2 beside $1"
    (cd "$folder" && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >&2) ||
      die "npm could not install $1/package.json; see its message above."
    cp "$folder/package-lock.json" "$folder/node_modules/pyember.stamp"
  fi
}

# Sets and exports NODE (22 or newer) and installs, beside the tests of each, the TypeScript SDKs and
# the conformance suites.
ensure_node() {
  local major=0
  ensure_packages "$NPM_PACKAGES"
  if have node; then major="$(node --version | sed 's/^v\([0-9]*\).*/\1/')"; fi
  if [ "$major" -ge 22 ]; then
    NODE="$(command -v node)"
  else
    install_node
  fi
  export NODE
  ensure_npm_packages tests/e2e/typescript "the TypeScript SDKs"
  ensure_npm_packages tests/apps "a host of MCP Apps"
  ensure_npm_packages tests/conformance "the conformance suites"
}

# Node 22 from npm: a package that holds nothing but the binary.
install_node() {
  local kernel machine package
  kernel="$(uname -s | tr '[:upper:]' '[:lower:]')"
  case "$(uname -m)" in
    x86_64 | amd64) machine=x64 ;;
    aarch64 | arm64) machine=arm64 ;;
    *) die "there is no Node 22 package for $(uname -m). Install Node 22 or newer and run ./dev again." ;;
  esac
  package="node-$kernel-$machine"
  NODE="$NODE_ENV_DIR/node_modules/$package/bin/node"
  if [ ! -x "$NODE" ]; then
    say "installing Node $NODE_VERSION into .dev/node"
    mkdir -p "$NODE_ENV_DIR"
    npm install --prefix "$NODE_ENV_DIR" --ignore-scripts --no-audit --no-fund --loglevel=error \
      "$package@$NODE_VERSION" >&2 ||
      die "npm could not install $package@$NODE_VERSION; see its message above. Or install Node 22 yourself."
  fi
}

# The official MCP servers that tests/upstream_servers reaches: npm's beside those tests, Python's in
# environments of their own, two because one of them works with an older SDK only.
ensure_upstreams() {
  ensure_embedded_python
  ensure_upstream_environment upstreams
  ensure_upstream_environment upstreams-handshake
  ensure_npm_packages tests/upstream_servers "the official MCP servers"
}

# ensure_upstream_environment NAME: tools/dev/requirements-NAME.txt is installed in .dev/NAME.
ensure_upstream_environment() {
  local list="$ROOT/tools/dev/requirements-$1.txt" folder="$DEV_DIR/$1" wanted
  wanted="$PYEMBER_PYTHON $(cat "$list")"
  up_to_date "$folder/pyember.stamp" "$wanted" && return
  say "installing $(basename "$list") into .dev/$1"
  make_venv "$PYEMBER_PYTHON" "$folder"
  "$folder/bin/python" -m pip install -q --disable-pip-version-check -r "$list" >&2 ||
    die "pip could not install $list; see its message above (is there a network?). Run ./dev again when it is mended."
  printf '%s\n' "$wanted" > "$folder/pyember.stamp"
}
