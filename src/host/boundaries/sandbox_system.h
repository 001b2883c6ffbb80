#pragma once

#include <string>

#include "base/result.h"

namespace pyember::host {

// What sandboxes and fences have in common.

// The user and the group that code in a sandbox is.
inline constexpr unsigned kSandboxUser = 65534;

// Of /etc: what libraries look for, and nothing that is about this machine or its users.
inline constexpr const char* kSharedSettings[] = {"/etc/alternatives",
                                                  "/etc/ca-certificates",
                                                  "/etc/crypto-policies",
                                                  "/etc/fonts",
                                                  "/etc/ld.so.cache",
                                                  "/etc/ld.so.conf",
                                                  "/etc/ld.so.conf.d",
                                                  "/etc/localtime",
                                                  "/etc/mime.types",
                                                  "/etc/pki/ca-trust",
                                                  "/etc/pki/tls/cert.pem",
                                                  "/etc/pki/tls/certs",
                                                  "/etc/pki/tls/openssl.cnf",
                                                  "/etc/protocols",
                                                  "/etc/services",
                                                  "/etc/ssl/certs",
                                                  "/etc/ssl/openssl.cnf",
                                                  "/etc/terminfo"};

inline constexpr const char* kSharedDevices[] = {"/dev/full", "/dev/null", "/dev/random",
                                                 "/dev/urandom", "/dev/zero"};

// Folders that are links into /usr where the system is not old.
inline constexpr const char* kSystemFolders[] = {"/bin",   "/lib",    "/lib32",
                                                 "/lib64", "/libx32", "/sbin"};

// Whether this process may become kSandboxUser: root of the machine, or of a container that has
// users besides; not one that only seems to be root.
bool may_become_sandbox_user();
// The same without what bubblewrap's part takes: root of an ordinary container may.
bool may_change_user();

// pyember-enter (find_enter), or an error that says what to do without.
Result<std::string> enter_program();

}  // namespace pyember::host
