# System packages: what is missing is installed through the system's own package manager.
# A row is: how to see that it is there | Debian, Ubuntu | Fedora | Homebrew.
#   cmd:NAME      a program on PATH
#   header:A,B    a C or C++ header; either name will do
# Nothing is asked of the package manager while every row is satisfied.

readonly BUILD_PACKAGES="
cmd:c++|g++|gcc-c++|
cmd:cmake|cmake|cmake|cmake
cmd:ninja|ninja-build|ninja-build|ninja
cmd:pkg-config|pkgconf|pkgconf-pkg-config|pkgconf
header:uv.h|libuv1-dev|libuv-devel|libuv
header:fmt/core.h|libfmt-dev|fmt-devel|fmt
header:spdlog/spdlog.h|libspdlog-dev|spdlog-devel|spdlog
header:nlohmann/json.hpp|nlohmann-json3-dev|json-devel|nlohmann-json
header:sqlite3.h|libsqlite3-dev|sqlite-devel|sqlite
cmd:curl-config|libcurl4-openssl-dev|libcurl-devel|curl
header:cjose/cjose.h|libcjose-dev libjansson-dev libssl-dev|cjose-devel|cjose
header:toml++/toml.h|libtomlplusplus-dev|tomlplusplus-devel|tomlplusplus
header:CLI/CLI.hpp|libcli11-dev|cli11-devel|cli11
header:catch2/catch_all.hpp,catch2/catch.hpp|catch2|catch-devel|catch2
file:/etc/ssl/certs/ca-certificates.crt,/etc/ssl/cert.pem|ca-certificates|ca-certificates|
"
# Sandboxes are Linux's alone, and so is serving HTTP.
readonly LINUX_BUILD_PACKAGES="
header:microhttpd.h|libmicrohttpd-dev|libmicrohttpd-devel|
header:seccomp.h|libseccomp-dev|libseccomp-devel|
"
readonly FUZZ_PACKAGES="
cmd:clang++|clang|clang compiler-rt|llvm
"
readonly FORMAT_PACKAGES="
cmd:clang-format|clang-format|clang-tools-extra|clang-format
"
readonly TIDY_PACKAGES="
cmd:clang-tidy|clang-tidy|clang-tools-extra|llvm
"
# What sandboxes are made of where the server runs, so wherever it is tested too.
readonly SANDBOX_PACKAGES="
cmd:bwrap|bubblewrap|bubblewrap|
cmd:setpriv|util-linux|util-linux|
cmd:jq|jq|jq|
"
readonly NPM_PACKAGES="
cmd:npm|nodejs npm|nodejs npm|node
"
# The tests of views look at them in a real browser; any of these will do (find_browser).
readonly BROWSER_PACKAGES="
cmd:chromium|chromium fonts-liberation|chromium|
"
# For the tests of containers, which make an image of their own. runc is named because podman's own
# choice, crun, wants control groups that not every virtual machine has.
readonly CONTAINER_PACKAGES="
file:/usr/sbin/runc,/usr/bin/runc,/usr/bin/crun|runc|crun|
cmd:podman|podman|podman|
cmd:newuidmap|uidmap|shadow-utils|
cmd:mmdebstrap|mmdebstrap|mmdebstrap|
file:/usr/share/keyrings/debian-archive-keyring.gpg|debian-archive-keyring|debian-keyring|
"
# A Python that can make the private environment which holds uv; only when none is found.
readonly BOOTSTRAP_PYTHON_PACKAGES="
cmd:python3|python3 python3-venv|python3|python3
"

file_exists() {
  local name
  for name in ${1//,/ }; do [ -e "$name" ] && return 0; done
  return 1
}

header_exists() {
  local name folder folders="/usr/include /usr/local/include /opt/homebrew/include"
  [ -n "${CPATH:-}" ] && folders="$folders ${CPATH//:/ }"
  for name in ${1//,/ }; do
    for folder in $folders; do [ -e "$folder/$name" ] && return 0; done
  done
  return 1
}

probe_holds() {
  case "$1" in
    cmd:*) have "${1#cmd:}" ;;
    header:*) header_exists "${1#header:}" ;;
    file:*) file_exists "${1#file:}" ;;
    *) die "packages.sh: unknown probe '$1'; use cmd:, header: or file:." ;;
  esac
}

package_manager() {
  if have apt-get; then echo apt; elif have dnf; then echo dnf; elif have brew; then echo brew; fi
}

install_packages() {
  local manager="$1"
  shift
  case "$manager" in
    apt)
      # Lists of a fresh image are empty or old; an install against them fails with 404.
      run_as_root apt-get update -qq >&2 || say "apt-get update failed; trying with the lists at hand"
      run_as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$@" >&2
      ;;
    dnf) run_as_root dnf install -y -q "$@" >&2 ;;
    brew) brew install --quiet "$@" >&2 ;;
  esac
}

# ensure_packages "TABLE": installs the rows that don't hold, and checks that they do afterwards.
ensure_packages() {
  local table="$1" manager probe apt dnf brew names="" unmet=""
  manager="$(package_manager)"
  while IFS='|' read -r probe apt dnf brew; do
    [ -n "$probe" ] || continue
    if ! probe_holds "$probe"; then
      unmet="$unmet $probe"
      case "$manager" in
        apt) names="$names $apt" ;;
        dnf) names="$names $dnf" ;;
        brew) names="$names $brew" ;;
      esac
    fi
  done <<< "$table"
  [ -n "$unmet" ] || return 0

  [ -n "$manager" ] ||
    die "missing:$unmet. No apt-get, dnf or brew here to install them with; install them by hand (tools/dev/packages.sh lists their names)."
  say "installing system packages:$names"
  # shellcheck disable=SC2086  # a list of names
  install_packages "$manager" $names ||
    die "the packages could not be installed:$names. See the message above; install them by hand and run ./dev again."
  for probe in $unmet; do
    probe_holds "$probe" || die "$probe is still missing after installing:$names. Install it by hand and run ./dev again."
  done
}

# The tests compile everything twice, the second time as a wheel.
ensure_compiler_cache() {
  (ensure_packages "
cmd:ccache|ccache|ccache|ccache
") || say "the wheel of the tests will be compiled anew"
}

# Where they can't be had the tests of sandboxes fail and say so: the server would be without, too.
ensure_sandbox_packages() {
  [ "$(uname)" = Linux ] || return 0
  (ensure_packages "$SANDBOX_PACKAGES") || say "there will be no sandboxes"
}

find_browser() {
  local name
  for name in chromium chromium-browser google-chrome-stable google-chrome; do
    if have "$name"; then command -v "$name"; return; fi
  done
}

# Sets and exports PYEMBER_CHROMIUM. Where there is none the tests of views fail and say so.
ensure_browser() {
  PYEMBER_CHROMIUM="${PYEMBER_CHROMIUM:-$(find_browser)}"
  if [ -z "$PYEMBER_CHROMIUM" ]; then
    (ensure_packages "$BROWSER_PACKAGES") || say "there is no browser for the tests of views"
    PYEMBER_CHROMIUM="$(find_browser)"
  fi
  export PYEMBER_CHROMIUM
}

# Where they can't be had the tests that need them say so and are skipped; the others run.
ensure_container_packages() {
  [ "$(uname)" = Linux ] || return 0
  (ensure_packages "$CONTAINER_PACKAGES") || say "tests of containers will be skipped"
}

# libFuzzer's runtime is a package of its own, named after the version that 'clang' brings.
ensure_fuzzer_runtime() {
  ensure_packages "$FUZZ_PACKAGES"
  local runtime version
  runtime="$(clang++ -print-file-name=libclang_rt.fuzzer-x86_64.a 2> /dev/null || true)"
  if [ "$(package_manager)" = apt ] && ! links_fuzzer; then
    version="$(clang++ -dumpversion | cut -d. -f1)"
    say "installing libFuzzer's runtime for clang $version"
    install_packages apt "libclang-rt-$version-dev" || true
  fi
  links_fuzzer ||
    die "clang++ can't link -fsanitize=fuzzer (looked for ${runtime:-its runtime}). Install your system's clang runtime package (Debian: libclang-rt-*-dev, Fedora: compiler-rt)."
}

links_fuzzer() {
  printf 'extern "C" int LLVMFuzzerTestOneInput(const unsigned char*, unsigned long) { return 0; }\n' |
    clang++ -x c++ - -fsanitize=fuzzer -o /dev/null > /dev/null 2>&1
}
