#pragma once

#include <string>

#include "sandbox/failure.h"
#include "sandbox/options.h"

namespace pyember::sandbox {

// Has `owner`, a user and group who is not root, stand for whoever owns the folder that is mounted
// at `path`, and for its group: what is that owner's is the sandbox's, what the sandbox makes there
// is that owner's on the disk. Others' files are as they are for everybody. Root's sandbox needs it
// to write where root may: the code there is another user. The mount is replaced by one with an id
// map (Linux 5.12, and a file system that knows such).
Failure own_folder(const std::string& path, const User& owner);

}  // namespace pyember::sandbox
